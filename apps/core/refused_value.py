"""Values that a database refuses, such as a key of 30 digits in an address or a form."""

from django.db import DataError


def is_refused_value(error: Exception) -> bool:
    """Return whether the error says that the database cannot hold or compare a value.

    PostgreSQL refuses it itself. For SQLite it is the driver, which raises Python's own error.
    """
    return isinstance(error, DataError) or (isinstance(error, OverflowError) and "SQLite" in str(error))
