"""The statements that run for every task, written by hand: one module a database, the same functions in both.

They are moves like the ledger's others, which go through the ORM. A batch of any size is one statement.
"""

from functools import cache
from types import ModuleType

from django.db import connection


@cache
def of_this_database() -> ModuleType:
    """Return the statements for the database of `TaskStatus`."""
    # Not at the top: only PostgreSQL needs psycopg.
    if connection.vendor == "postgresql":
        from apps.tasks.statements import postgresql

        return postgresql
    from apps.tasks.statements import sqlite

    return sqlite
