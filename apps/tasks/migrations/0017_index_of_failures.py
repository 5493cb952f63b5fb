"""An index over failed tasks by the time of their end. By itself: on PostgreSQL it is made while tasks are sent."""

from importlib import import_module

from django.db import migrations, models

earlier = import_module("apps.tasks.migrations.0011_indexes_of_figures")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0016_deploys_and_ends")]

    operations = [
        earlier.AddIndexConcurrently(
            model_name="taskstatus",
            index=models.Index(
                condition=models.Q(("status", "failed")), fields=["finished_at", "cause"], name="tasks_failed_lately"
            ),
        ),
    ]
