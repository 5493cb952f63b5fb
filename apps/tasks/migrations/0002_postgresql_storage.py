"""Storage of the rows on PostgreSQL. Not part of 0001: Django makes its last indexes when that one has ended."""

from typing import Any

from django.db import migrations

#: Percent of a page that PostgreSQL fills with rows. The rest is for new versions of a row: writing progress then touches
#: no index (HOT updates).
FILLFACTOR = 70


def store_for_updates(apps: Any, schema_editor: Any) -> None:
    """Leave room in each page of PostgreSQL, and drop the LIKE index of task ids: nothing searches parts of them."""
    if schema_editor.connection.vendor != "postgresql":
        return
    table = apps.get_model("tasks", "TaskStatus")._meta.db_table
    schema_editor.execute(f"ALTER TABLE {schema_editor.quote_name(table)} SET (fillfactor = {FILLFACTOR})")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = %s AND indexdef LIKE %s",
            [table, "%(task_id varchar_pattern_ops)%"],
        )
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]

    operations = [migrations.RunPython(store_for_updates, migrations.RunPython.noop)]
