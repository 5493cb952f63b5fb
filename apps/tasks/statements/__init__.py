"""The four statements that run for every task, written by hand: one module a database, the same functions in both.

What they do is what the ledger's other moves do through the ORM; a batch of any size is one statement.
"""

from types import ModuleType

from django.db import connection

from apps.tasks.statements import postgresql, sqlite


def of_this_database() -> ModuleType:
    """The statements of the database that `TaskStatus` is in."""
    return postgresql if connection.vendor == "postgresql" else sqlite
