"""Indexes over failed and over cancelled tasks. By themselves: on PostgreSQL they are made while tasks are sent."""

from importlib import import_module

from django.db import migrations, models

earlier = import_module("apps.tasks.migrations.0011_indexes_of_figures")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0018_saved_views")]

    operations = [
        earlier.AddIndexConcurrently(
            model_name="taskstatus",
            index=models.Index(condition=models.Q(("status", "failed")), fields=["id"], name="tasks_failed"),
        ),
        earlier.AddIndexConcurrently(
            model_name="taskstatus",
            index=models.Index(condition=models.Q(("status", "cancelled")), fields=["id"], name="tasks_cancelled"),
        ),
    ]
