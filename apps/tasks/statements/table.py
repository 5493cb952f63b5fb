"""Names of tables, and types of the table of tasks, as the model and the project's user model have them."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model

from apps.tasks.models import TaskStatus

OWNER: Any = TaskStatus._meta.get_field("owner")


def quoted_table(model: type[Model] = TaskStatus) -> str:
    """Return the name of a model's table, quoted for the database."""
    return connections[DEFAULT_DB_ALIAS].ops.quote_name(model._meta.db_table)


def owner_type() -> str:
    """Return the SQL type of the owner's column: that of the user model's primary key."""
    return str(OWNER.rel_db_type(connections[DEFAULT_DB_ALIAS]))


def owner_sql(key: str) -> str:
    """Return the SQL of an owner who exists, from that of a key. It is NULL for a user who was deleted.

    Where the database can, the row of the owner is locked against deletion until the task is committed. The constraint
    would look at the commit, and a sender or a worker could do nothing about its error.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    user, column = OWNER.target_field.model, OWNER.target_field.column
    table, column = connection.ops.quote_name(user._meta.db_table), connection.ops.quote_name(column)
    lock = " FOR KEY SHARE" if connection.vendor == "postgresql" else ""
    return f"(SELECT o.{column} FROM {table} AS o WHERE o.{column} = {key}{lock})"


def owner_value(owner_id: Any) -> Any:
    """Return a user's primary key as the database stores it."""
    if owner_id is None:
        return None
    return OWNER.get_db_prep_value(owner_id, connections[DEFAULT_DB_ALIAS])


def owner_key(stored: Any) -> Any:
    """Return a user's primary key as Python has it, from what the database stores."""
    return OWNER.to_python(stored)
