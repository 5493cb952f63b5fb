"""A column of JSON that gives back what was written."""

import json
from functools import cache
from typing import Any

from django.db import models
from django.db.models.fields.json import KeyTransform


class WrittenJSONField(models.JSONField):
    """JSON as it was written: the order of keys and the spelling of numbers stay.

    PostgreSQL's `jsonb`, which Django's field uses, sorts keys by their length and writes 1e17 as an integer. A task
    would then get other arguments at its second run than at its first. The type `json` keeps the text. It cannot be
    compared, so the lookups of a query compare it as `jsonb`.
    """

    def db_type(self, connection: Any) -> str | None:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        # Values to compare with come prepared.
        if prepared or connection.vendor != "postgresql" or value is None or hasattr(value, "resolve_expression"):
            return super().get_db_prep_value(value, connection, prepared)
        # Not at the top: only PostgreSQL needs psycopg.
        from psycopg.types.json import Json

        return Json(value, lambda held: json.dumps(held, cls=self.encoder))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if connection.vendor == "postgresql" and not isinstance(expression, KeyTransform):
            return value  # psycopg has parsed it.
        return super().from_db_value(value, expression, connection)

    def get_lookup(self, lookup_name: str) -> Any:
        found = super().get_lookup(lookup_name)
        return found and _comparing(found)  # type: ignore[arg-type]

    def get_transform(self, lookup_name: str) -> Any:
        return super(models.JSONField, self).get_transform(lookup_name) or _KeyOf(lookup_name)


class WrittenKey(KeyTransform):
    """The value of a key, to compare it."""

    def preprocess_lhs(self, compiler: Any, connection: Any) -> Any:
        column, params, keys = super().preprocess_lhs(compiler, connection)
        return _as_jsonb(column, connection), params, keys


class _KeyOf:
    def __init__(self, key_name: str) -> None:
        self.key_name = key_name

    def __call__(self, *args: Any, **kwargs: Any) -> WrittenKey:
        return WrittenKey(self.key_name, *args, **kwargs)


class _Comparing:
    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> Any:
        column, params = super().process_lhs(compiler, connection, lhs)  # type: ignore[misc]
        return _as_jsonb(column, connection), params


@cache
def _comparing(lookup: type) -> type:
    """Return a lookup that compares the column as `jsonb`."""
    return type(lookup.__name__, (_Comparing, lookup), {})


def _as_jsonb(column: str, connection: Any) -> str:
    return f"({column})::jsonb" if connection.vendor == "postgresql" else column
