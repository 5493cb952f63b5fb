"""A column of JSON that gives back what was written."""

import json
from typing import Any

from django.db import models


class WrittenJSONField(models.JSONField):
    """JSON as it was written: the order of keys and the spelling of numbers stay.

    PostgreSQL's `jsonb`, which Django's field uses, sorts keys by their length and writes 1e17 as an integer. A task
    would then get other arguments at its second run than at its first. The type `json` keeps the text.
    """

    def db_type(self, connection: Any) -> str | None:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if connection.vendor != "postgresql" or value is None or hasattr(value, "resolve_expression"):
            return super().get_db_prep_value(value, connection, prepared)
        # Not at the top: only PostgreSQL needs psycopg.
        from psycopg.types.json import Json

        return Json(value, lambda held: json.dumps(held, cls=self.encoder))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        # psycopg has parsed it.
        return value if connection.vendor == "postgresql" else super().from_db_value(value, expression, connection)
