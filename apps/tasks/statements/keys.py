"""Locks the rows of keys, on both databases."""

from collections.abc import Mapping

from django.db import connection

from apps.tasks.models import TaskKey


def lock(task_ids: Mapping[str, str]) -> dict[str, str]:
    """Lock the rows of keys in the open transaction, in the order given. Make those that are missing.

    Parameters:
      task_ids: For each key, the task of a row that is made.

    Returns:
      The task of each key.
    """
    table = connection.ops.quote_name(TaskKey._meta.db_table)
    values = ", ".join(["(%s, %s)"] * len(task_ids))
    # A SELECT would not lock a row that is missing, and DO NOTHING would not lock one that is there.
    sql = f"""
        INSERT INTO {table} AS k (key, task_id) VALUES {values}
        ON CONFLICT (key) DO UPDATE SET task_id = k.task_id RETURNING key, task_id
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for pair in task_ids.items() for value in pair])
        return dict(cursor.fetchall())
