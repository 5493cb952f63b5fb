"""A column of times that can always be read."""

from typing import Any

from django.db import models

#: Python has no times outside the years 1 to 9999. A day less at each end leaves room for time zones.
FIRST, LAST = "0001-01-02 00:00:00", "9999-12-30 00:00:00"


class BoundedDateTimeField(models.DateTimeField):
    """A time, read as the nearest one that Python knows.

    Another program may write `infinity` or the year 10000. One such row would otherwise break each page that has it,
    and each pass of the relay.
    """

    def deconstruct(self) -> Any:
        # Only reading differs, so a migration need not know it.
        name, _path, args, keywords = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, keywords

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        latest = f"'{LAST}+00'" if compiler.connection.vendor == "postgresql" else f"'{LAST}'"
        if compiler.connection.vendor == "postgresql":
            bounded = f"LEAST(GREATEST({sql}, '{FIRST}+00'), {latest})"
        else:
            bounded = f"CASE WHEN datetime({sql}) IS NULL THEN {latest} ELSE {sql} END"
        return f"CASE WHEN {sql} IS NOT NULL THEN {bounded} END", params
