"""The four statements that run for every task, written by hand: one module a database, the same functions in both.

They are moves like the ledger's others, which go through the ORM. A batch of any size is one statement.
"""

from types import ModuleType

from django.db import connection

from apps.tasks.statements import postgresql, sqlite


def of_this_database() -> ModuleType:
    """Return the statements for the database of `TaskStatus`."""
    return postgresql if connection.vendor == "postgresql" else sqlite
