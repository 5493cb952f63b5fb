"""Indexes over the ends of tasks and attempts. Not part of 0010: on PostgreSQL they are made while tasks are sent."""

from typing import Any

from django.db import migrations, models


class AddIndexConcurrently(migrations.AddIndex):
    """Adds an index without a lock that senders and workers wait for, where the database can.

    `django.contrib.postgres` has such an operation, which SQLite cannot run.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        connection, model = schema_editor.connection, to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(connection.alias, model):
            return
        is_concurrent = connection.vendor == "postgresql" and not connection.in_atomic_block
        # A migration that was interrupted has left an index, on PostgreSQL one that is not valid.
        concurrently = "CONCURRENTLY " if is_concurrent else ""
        schema_editor.execute(f"DROP INDEX {concurrently}IF EXISTS {schema_editor.quote_name(self.index.name)}")
        schema_editor.add_index(model, self.index, **({"concurrently": True} if is_concurrent else {}))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0010_tallies")]

    operations = [
        AddIndexConcurrently(
            model_name="taskattempt",
            index=models.Index(fields=["ended_at"], name="tasks_attempt_ended"),
        ),
        AddIndexConcurrently(
            model_name="taskstatus",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)), fields=["finished_at"], name="tasks_finished"
            ),
        ),
    ]
