"""How PostgreSQL stores the rows of tasks, which change some times in a short life. Nothing to do elsewhere."""

from typing import Any

from django.db import migrations

#: Room that a page keeps for new versions of its rows, so that progress touches no index (HOT updates).
FILLFACTOR = 70


def store_for_change(apps: Any, schema_editor: Any) -> None:
    """Leave room in each page, and drop the index for LIKE on task ids: nobody looks for a part of one."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(f"ALTER TABLE tasks_taskstatus SET (fillfactor = {FILLFACTOR})")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'tasks_taskstatus' AND indexdef LIKE %s",
            ["%(task_id varchar_pattern_ops)%"],
        )
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]

    operations = [migrations.RunPython(store_for_change, migrations.RunPython.noop)]
