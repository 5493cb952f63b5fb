import uuid
from typing import Any

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

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
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TaskGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.CharField(help_text="Dramatiq's id of one run of the group.", max_length=255, unique=True),
                ),
                ("remaining", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="WorkerProcess",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, help_text="Made when the process boots.", primary_key=True, serialize=False
                    ),
                ),
                ("broker_id", models.CharField(help_text="Under which Redis keeps what it fetched.", max_length=64)),
                (
                    "host",
                    models.CharField(help_text="Boot id and pid namespace: what really makes a host.", max_length=255),
                ),
                ("hostname", models.CharField(max_length=255)),
                ("pid", models.PositiveIntegerField()),
                (
                    "process_started",
                    models.CharField(help_text="Tells this process from a later one with its pid.", max_length=64),
                ),
                ("queues", models.JSONField(default=list, help_text="Queues it takes from. Empty: all.")),
                ("threads", models.PositiveIntegerField()),
                ("started_at", models.DateTimeField()),
                ("beat_at", models.DateTimeField(help_text="Its last heartbeat.")),
                (
                    "beats",
                    models.BigIntegerField(default=0, help_text="Rises with each heartbeat: what the relay compares."),
                ),
                (
                    "stopped_at",
                    models.DateTimeField(blank=True, help_text="Stopped by itself, or declared dead.", null=True),
                ),
            ],
            options={
                "verbose_name_plural": "worker processes",
                "ordering": ["-started_at"],
            },
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, help_text="Time of the insert, in UTC. Written once, by Django."
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True,
                        help_text="Time of the last write, in UTC. Written by Django on save, and by every update.",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="What it is called here and in the terminal.", max_length=200, unique=True
                    ),
                ),
                (
                    "task_name",
                    models.CharField(
                        help_text="What is sent a message at each slot.", max_length=255, verbose_name="actor"
                    ),
                ),
                (
                    "kwargs",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='A JSON object, such as {"report_type": "summary"}.',
                        verbose_name="arguments",
                    ),
                ),
                (
                    "cron",
                    models.CharField(
                        blank=True,
                        help_text="Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly.",
                        max_length=200,
                        verbose_name="cron text",
                    ),
                ),
                (
                    "interval_seconds",
                    models.PositiveIntegerField(
                        blank=True, help_text="Instead of a cron text.", null=True, verbose_name="interval"
                    ),
                ),
                ("time_zone", models.CharField(default="UTC", help_text="The clock of the cron text.", max_length=64)),
                (
                    "enabled",
                    models.BooleanField(default=True, help_text="A paused schedule has no slots, and misses none."),
                ),
                (
                    "start_at",
                    models.DateTimeField(
                        blank=True, help_text="No slot before this. In UTC.", null=True, verbose_name="start"
                    ),
                ),
                (
                    "end_at",
                    models.DateTimeField(
                        blank=True, help_text="No slot after this. In UTC.", null=True, verbose_name="end"
                    ),
                ),
                (
                    "missed_policy",
                    models.CharField(
                        choices=[
                            ("once", "Run once for all of them"),
                            ("all", "Run each, up to the limit"),
                            ("skip", "Leave them out"),
                        ],
                        default="once",
                        max_length=10,
                        verbose_name="missed slots",
                    ),
                ),
                (
                    "missed_limit",
                    models.PositiveIntegerField(
                        default=100,
                        help_text="At most so many missed slots are run, the newest ones.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(5000),
                        ],
                        verbose_name="limit",
                    ),
                ),
                (
                    "grace_seconds",
                    models.PositiveIntegerField(
                        default=10,
                        help_text="In seconds. A slot that is no later than this was not missed.",
                        validators=[django.core.validators.MaxValueValidator(604800)],
                        verbose_name="grace",
                    ),
                ),
                (
                    "jitter_seconds",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="In seconds. Each slot is sent at random up to so much later.",
                        validators=[django.core.validators.MaxValueValidator(86400)],
                        verbose_name="jitter",
                    ),
                ),
                (
                    "overlap",
                    models.CharField(
                        choices=[("queue", "Queue it: it starts when the last run is done"), ("skip", "Skip it")],
                        default="queue",
                        max_length=10,
                        verbose_name="when the last run is not done",
                    ),
                ),
                ("declared_cron", models.CharField(blank=True, editable=False, max_length=200)),
                (
                    "declared_in",
                    models.CharField(blank=True, editable=False, help_text="File and line.", max_length=500),
                ),
                ("anchor_at", models.DateTimeField(editable=False, help_text="From when an interval is counted.")),
                (
                    "decided_until",
                    models.DateTimeField(
                        editable=False, help_text="All slots up to here were fired, missed or skipped."
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="When the next slot is to be fired. None: never.",
                        null=True,
                        verbose_name="next run",
                    ),
                ),
                ("missed_count", models.PositiveBigIntegerField(default=0, editable=False, verbose_name="missed")),
                (
                    "problem",
                    models.TextField(blank=True, editable=False, help_text="Why its last slot could not be fired."),
                ),
            ],
            options={
                "ordering": ["name"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("enabled", True), ("next_at__isnull", False)),
                        fields=["next_at"],
                        name="tasks_schedule_next",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TaskStatus",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, help_text="Time of the insert, in UTC. Written once, by Django."
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True,
                        help_text="Time of the last write, in UTC. Written by Django on save, and by every update.",
                    ),
                ),
                (
                    "task_id",
                    models.CharField(help_text="The Dramatiq message id, for life.", max_length=255, unique=True),
                ),
                (
                    "task_name",
                    models.CharField(help_text="The actor's name, such as documents.process_document.", max_length=255),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("processing", "Processing"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="pending",
                        max_length=20,
                    ),
                ),
                (
                    "progress",
                    models.IntegerField(
                        default=0,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "progress_text",
                    models.CharField(blank=True, help_text="What it is doing, in words.", max_length=255),
                ),
                ("result", models.JSONField(blank=True, null=True)),
                ("error_message", models.TextField(blank=True)),
                ("related_object_id", models.BigIntegerField(blank=True, null=True)),
                (
                    "related_object_type",
                    models.CharField(blank=True, help_text="Such as documents.Document.", max_length=255),
                ),
                ("queue_name", models.CharField(default="default", max_length=100)),
                ("priority", models.IntegerField(default=0, help_text="Lower runs first.")),
                ("args", models.JSONField(default=list)),
                ("kwargs", models.JSONField(default=dict)),
                ("options", models.JSONField(default=dict)),
                ("run_at", models.DateTimeField(help_text="Not before this instant, by the database's clock.")),
                (
                    "delayed",
                    models.BooleanField(
                        default=False,
                        help_text="The relay publishes it at `run_at`. Otherwise the sender did, on commit.",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, help_text="Not started by then: it fails.", null=True)),
                (
                    "attempt",
                    models.PositiveIntegerField(default=0, help_text="The fence: rises on every return to pending."),
                ),
                (
                    "retries",
                    models.PositiveIntegerField(default=0, help_text="How often it ran again because it failed."),
                ),
                (
                    "crashes",
                    models.PositiveIntegerField(default=0, help_text="How often its worker died while it ran."),
                ),
                ("claim_id", models.UUIDField(blank=True, help_text="The fetched batch that holds it.", null=True)),
                (
                    "worker_id",
                    models.UUIDField(blank=True, help_text="The worker process that holds it or ended it.", null=True),
                ),
                ("claimed_at", models.DateTimeField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("traceback", models.TextField(blank=True)),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Who may see it besides staff.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "task",
                "verbose_name_plural": "tasks",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="TaskAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempt", models.PositiveIntegerField()),
                (
                    "outcome",
                    models.CharField(help_text="The move that ended it, such as retry or rescue.", max_length=20),
                ),
                ("error_message", models.TextField(blank=True)),
                ("traceback", models.TextField(blank=True)),
                ("worker_id", models.UUIDField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField()),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="tasks.taskstatus"
                    ),
                ),
            ],
            options={
                "ordering": ["task_id", "attempt", "id"],
            },
        ),
        migrations.CreateModel(
            name="ScheduleSlot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slot", models.DateTimeField(help_text="The instant; of several missed slots the last one.")),
                ("first_slot", models.DateTimeField(help_text="Of several missed slots the first one.")),
                ("count", models.PositiveIntegerField(default=1, verbose_name="slots")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("fired", "Sent"),
                            ("missed", "Missed"),
                            ("skipped", "Skipped: the last run was not done"),
                            ("by hand", "Sent by hand"),
                        ],
                        max_length=10,
                    ),
                ),
                ("task_id", models.CharField(blank=True, max_length=255)),
                (
                    "is_open",
                    models.BooleanField(
                        default=False, help_text="Its task was not known to be done when last looked at."
                    ),
                ),
                (
                    "is_held",
                    models.BooleanField(default=False, help_text="Its task waits until the run before it is done."),
                ),
                ("decided_at", models.DateTimeField(auto_now_add=True)),
                (
                    "schedule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="slots",
                        to="tasks.schedule",
                    ),
                ),
            ],
            options={
                "ordering": ["-slot"],
                "indexes": [
                    models.Index(condition=models.Q(("is_open", True)), fields=["schedule"], name="tasks_slot_open"),
                    models.Index(condition=models.Q(("is_held", True)), fields=["schedule"], name="tasks_slot_held"),
                    models.Index(fields=["slot"], name="tasks_slot_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("schedule", "slot"), name="tasks_slot_is_decided_once")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="taskstatus",
            index=models.Index(
                condition=models.Q(("delayed", True), ("status", "pending")),
                fields=["run_at"],
                name="tasks_pending_delayed",
            ),
        ),
        migrations.AddIndex(
            model_name="taskstatus",
            index=models.Index(condition=models.Q(("status", "pending")), fields=["id"], name="tasks_pending"),
        ),
        migrations.AddIndex(
            model_name="taskstatus",
            index=models.Index(
                condition=models.Q(("status", "processing")), fields=["worker_id"], name="tasks_processing"
            ),
        ),
        migrations.AddIndex(
            model_name="taskstatus",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("status", "pending")),
                fields=["expires_at"],
                name="tasks_pending_expiring",
            ),
        ),
        migrations.AddIndex(
            model_name="taskstatus",
            index=models.Index(
                condition=models.Q(("related_object_id__isnull", False)),
                fields=["related_object_type", "related_object_id"],
                name="tasks_related",
            ),
        ),
        migrations.AddIndex(
            model_name="taskstatus",
            index=models.Index(
                condition=models.Q(("owner__isnull", False)), fields=["owner", "-id"], name="tasks_owner"
            ),
        ),
        migrations.AddConstraint(
            model_name="taskstatus",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "processing", "completed", "failed", "cancelled"])),
                name="tasks_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="taskstatus",
            constraint=models.CheckConstraint(
                condition=models.Q(("progress__gte", 0), ("progress__lte", 100)), name="tasks_progress_is_a_percentage"
            ),
        ),
        migrations.AddConstraint(
            model_name="taskattempt",
            constraint=models.UniqueConstraint(fields=("task", "attempt"), name="tasks_attempt_ends_once"),
        ),
        migrations.RunPython(store_for_updates, migrations.RunPython.noop),
    ]
