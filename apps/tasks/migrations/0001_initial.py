# The tables of the first version.

import uuid

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


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
            name="TaskStatus",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
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
    ]
