"""A column of JSON that gives back what was written."""

import re
from functools import cache
from typing import Any

from django.db import models
from django.db.models.fields.json import KeyTransform

from apps.tasks.json_safe import COMPACT, json_safe

#: Depth of lists and objects that is read. Pages write JSON by recursion.
MAX_DEPTH = 300
#: May be a NUL, a lone surrogate, or a number beyond what Python has.
ODD = re.compile(r"\\u[dD0]|[eE]\+?\d{3}")
#: A text in JSON, which may be cut off, or a bracket.
_TEXT_OR_BRACKET = re.compile(r'"(?>(?:[^"\\]|\\.?)*)"?|[\[\]{}]', re.DOTALL)
#: Characters that are shown of a value that cannot be read.
SHOWN_CHARACTERS = 1_000


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

        return Json(value, COMPACT.encode)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        # Otherwise psycopg parses it, and raises for the whole page if Python cannot read one row.
        return (f"{sql}::text" if compiler.connection.vendor == "postgresql" else sql), params

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value, or a text that says so if another program wrote what Python cannot read."""
        if not isinstance(value, str):
            return value  # A part of the value, which the driver has parsed.
        try:
            read = super().from_db_value(value, expression, connection)
            if _depth(value) > MAX_DEPTH:
                raise RecursionError
            return json_safe(read) if ODD.search(value) else read
        except (ValueError, RecursionError) as error:
            return f"(cannot be read: {type(error).__name__}) {value[:SHOWN_CHARACTERS]}"

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


def _depth(text: str) -> int:
    """Return the depth of a JSON text. 0: it has too few brackets to be deep."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for bracket in _TEXT_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        deepest = max(depth, deepest)
    return deepest
