"""Primary keys in addresses."""

from django.db import models
from django.urls import register_converter
from django.urls.converters import IntConverter


class KeyConverter(IntConverter):
    """A whole number that a primary key can be. With any other the address is unknown: SQLite would fail on it."""

    def to_python(self, value: str) -> int:
        key = super().to_python(value)
        if key > models.BigIntegerField.MAX_BIGINT:
            raise ValueError
        return key


register_converter(KeyConverter, "key")
