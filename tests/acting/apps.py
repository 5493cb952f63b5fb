from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class ActingConfig(AppConfig):
    name = "tests.acting"
    label = "acting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        connection_created.connect(commit_without_sync)


def commit_without_sync(connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """Let SQLite commit without waiting for the disk, like the tests' PostgreSQL.

    A killed process loses nothing, and power failures are not tested. A commit would wait for the disk most of its
    time.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous = OFF")
