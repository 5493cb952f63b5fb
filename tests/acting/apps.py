from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class ActingConfig(AppConfig):
    name = "tests.acting"
    label = "acting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        connection_created.connect(leave_it_to_the_system)


def leave_it_to_the_system(connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """As on the tests' PostgreSQL: a killed process loses nothing, and what a power failure leaves is not the question.

    A commit waits for the disk for most of its time otherwise.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous = OFF")
