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
                    models.CharField(
                        help_text="Dramatiq's id of one run of the group. Written by the sender.",
                        max_length=255,
                        unique=True,
                        verbose_name="key",
                    ),
                ),
                (
                    "remaining",
                    models.PositiveIntegerField(
                        help_text="Number of tasks that have not completed. Written by the sender and counted down by the workers.",
                        verbose_name="remaining",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True,
                        help_text="Time of the send, in UTC. Written by the sender.",
                        verbose_name="created at",
                    ),
                ),
            ],
            options={
                "verbose_name": "task group",
                "verbose_name_plural": "task groups",
            },
        ),
        migrations.CreateModel(
            name="WorkerProcess",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        help_text="Identity of the process. Written by the worker when it starts.",
                        primary_key=True,
                        serialize=False,
                        verbose_name="id",
                    ),
                ),
                (
                    "broker_id",
                    models.CharField(
                        help_text="Name under which Redis keeps the messages that it fetched. Written by the worker when it starts.",
                        max_length=64,
                        verbose_name="broker id",
                    ),
                ),
                (
                    "host",
                    models.CharField(
                        help_text="Boot id and pid namespace, which identify a host. Written by the worker when it starts.",
                        max_length=255,
                        verbose_name="host",
                    ),
                ),
                (
                    "hostname",
                    models.CharField(
                        help_text="Name of the host. Written by the worker when it starts.",
                        max_length=255,
                        verbose_name="hostname",
                    ),
                ),
                (
                    "pid",
                    models.PositiveIntegerField(
                        help_text="Process id on that host. Written by the worker when it starts.", verbose_name="pid"
                    ),
                ),
                (
                    "process_started",
                    models.CharField(
                        help_text="Start by the kernel's count, which tells later processes with this pid apart. Written by the worker.",
                        max_length=64,
                        verbose_name="process started",
                    ),
                ),
                (
                    "queues",
                    models.JSONField(
                        default=list,
                        help_text="Queues that it fetches from. Empty: all. Written by the worker when it starts.",
                        verbose_name="queues",
                    ),
                ),
                (
                    "threads",
                    models.PositiveIntegerField(
                        help_text="Number of tasks that run at once. Written by the worker when it starts.",
                        verbose_name="threads",
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        help_text="Start of the process, in UTC. Written by the worker.", verbose_name="started at"
                    ),
                ),
                (
                    "beat_at",
                    models.DateTimeField(
                        help_text="Last heartbeat, in UTC. Written by the worker.", verbose_name="beat at"
                    ),
                ),
                (
                    "beats",
                    models.BigIntegerField(
                        default=0,
                        help_text="Number of heartbeats. Written by the worker. The relay declares a worker dead when it stands still.",
                        verbose_name="beats",
                    ),
                ),
                (
                    "stopped_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="End of the process, in UTC. Written by the worker when it stops or by the relay if it died.",
                        null=True,
                        verbose_name="stopped at",
                    ),
                ),
            ],
            options={
                "verbose_name": "worker process",
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
                        help_text="Name in the admin and in the terminal. Written by staff. A declared schedule has its actor's name.",
                        max_length=200,
                        unique=True,
                        verbose_name="name",
                    ),
                ),
                (
                    "task_name",
                    models.CharField(
                        help_text="Actor that is sent at each slot. Written by staff or by the declaration.",
                        max_length=255,
                        verbose_name="actor",
                    ),
                ),
                (
                    "kwargs",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='Arguments of the actor, as a JSON object such as {"report_type": "summary"}. Written by staff or by the declaration.',
                        verbose_name="arguments",
                    ),
                ),
                (
                    "cron",
                    models.CharField(
                        blank=True,
                        help_text="Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly. Written by staff or by the declaration.",
                        max_length=200,
                        verbose_name="cron text",
                    ),
                ),
                (
                    "interval_seconds",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds between two slots, instead of a cron text. Written by staff.",
                        null=True,
                        verbose_name="interval",
                    ),
                ),
                (
                    "time_zone",
                    models.CharField(
                        default="UTC",
                        help_text="Clock that the cron text is read by. Written by staff.",
                        max_length=64,
                        verbose_name="time zone",
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True,
                        help_text="A paused schedule has no slots and misses none. Written by staff.",
                        verbose_name="enabled",
                    ),
                ),
                (
                    "start_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="No slot comes before this time, in UTC. Written by staff.",
                        null=True,
                        verbose_name="start",
                    ),
                ),
                (
                    "end_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="No slot comes after this time, in UTC. Written by staff.",
                        null=True,
                        verbose_name="end",
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
                        help_text="Treatment of slots that no scheduler fired in time. Written by staff.",
                        max_length=10,
                        verbose_name="missed slots",
                    ),
                ),
                (
                    "missed_limit",
                    models.PositiveIntegerField(
                        default=100,
                        help_text="Number of missed slots that are run at most, the newest ones. Written by staff.",
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
                        help_text="Seconds that a slot may be late before it counts as missed. Written by staff.",
                        validators=[django.core.validators.MaxValueValidator(604800)],
                        verbose_name="grace",
                    ),
                ),
                (
                    "jitter_seconds",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Largest random delay of a slot, in seconds. Written by staff.",
                        validators=[django.core.validators.MaxValueValidator(86400)],
                        verbose_name="jitter",
                    ),
                ),
                (
                    "overlap",
                    models.CharField(
                        choices=[("queue", "Queue it: it starts when the last run is done"), ("skip", "Skip it")],
                        default="queue",
                        help_text="Treatment of a slot that comes while the task of the last one is unfinished. Written by staff.",
                        max_length=10,
                        verbose_name="when the last run is not done",
                    ),
                ),
                (
                    "declared_cron",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="Cron text in the code. Written by the scheduler. Empty: made in the admin.",
                        max_length=200,
                        verbose_name="declared cron text",
                    ),
                ),
                (
                    "declared_in",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="File and line of the declaration. Written by the scheduler.",
                        max_length=500,
                        verbose_name="declared in",
                    ),
                ),
                (
                    "anchor_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="Time from which an interval is counted, in UTC. Written when staff set the interval or the start.",
                        verbose_name="anchor",
                    ),
                ),
                (
                    "decided_until",
                    models.DateTimeField(
                        editable=False,
                        help_text="Watermark, in UTC: all slots up to here were fired, missed or skipped. Written by the scheduler, and by a change of staff.",
                        verbose_name="decided until",
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="Time at which the next slot is to be fired, in UTC. Written by the scheduler, and by a change of staff. Empty: never.",
                        null=True,
                        verbose_name="next run",
                    ),
                ),
                (
                    "missed_count",
                    models.PositiveBigIntegerField(
                        default=0,
                        editable=False,
                        help_text="Number of missed slots so far. Written by the scheduler.",
                        verbose_name="missed",
                    ),
                ),
                (
                    "problem",
                    models.TextField(
                        blank=True,
                        editable=False,
                        help_text="Reason why the last slot could not be fired. Written by the scheduler.",
                        verbose_name="problem",
                    ),
                ),
            ],
            options={
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
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
                        auto_now_add=True,
                        help_text="Time of the send, in UTC. Written by the sender. A retry by staff writes it anew.",
                        verbose_name="created at",
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True,
                        help_text="Time of the last transition or report of progress, in UTC. Written with each of them.",
                        verbose_name="updated at",
                    ),
                ),
                (
                    "task_id",
                    models.CharField(
                        help_text="Dramatiq's message id. Written by the sender. It never changes.",
                        max_length=255,
                        unique=True,
                        verbose_name="task id",
                    ),
                ),
                (
                    "task_name",
                    models.CharField(
                        help_text="Name of the actor, such as documents.process_document. Written by the sender.",
                        max_length=255,
                        verbose_name="task name",
                    ),
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
                        help_text="State of the task. Written with each transition by the sender, a worker, the relay or staff.",
                        max_length=20,
                        verbose_name="status",
                    ),
                ),
                (
                    "progress",
                    models.IntegerField(
                        default=0,
                        help_text="Percent done, 0 to 100. Written by the worker.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="progress",
                    ),
                ),
                (
                    "progress_text",
                    models.CharField(
                        blank=True,
                        help_text="Current step of the task, in words. Written by the worker.",
                        max_length=255,
                        verbose_name="progress text",
                    ),
                ),
                (
                    "result",
                    models.JSONField(
                        blank=True,
                        help_text="Return value of the actor, as JSON. Written by the worker.",
                        null=True,
                        verbose_name="result",
                    ),
                ),
                (
                    "error_message",
                    models.TextField(
                        blank=True,
                        help_text="Reason of the last failure. Written by the worker or, for a task that never ran, by the relay.",
                        verbose_name="error message",
                    ),
                ),
                (
                    "related_object_id",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Primary key of the object that the task works on. Written by the sender.",
                        null=True,
                        verbose_name="related object id",
                    ),
                ),
                (
                    "related_object_type",
                    models.CharField(
                        blank=True,
                        help_text="Model of that object, such as documents.Document. Written by the sender.",
                        max_length=255,
                        verbose_name="related object type",
                    ),
                ),
                (
                    "queue_name",
                    models.CharField(
                        default="default",
                        help_text="Queue of the message. Written by the sender.",
                        max_length=100,
                        verbose_name="queue name",
                    ),
                ),
                (
                    "priority",
                    models.IntegerField(
                        default=0,
                        help_text="Order within the queue: a lower number runs first. Written by the sender.",
                        verbose_name="priority",
                    ),
                ),
                (
                    "args",
                    models.JSONField(
                        default=list,
                        help_text="Positional arguments of the actor, as a JSON list. Written by the sender.",
                        verbose_name="arguments",
                    ),
                ),
                (
                    "kwargs",
                    models.JSONField(
                        default=dict,
                        help_text="Keyword arguments of the actor, as a JSON object. Written by the sender.",
                        verbose_name="keyword arguments",
                    ),
                ),
                (
                    "options",
                    models.JSONField(
                        default=dict,
                        help_text="Options of the message that have no column, as a JSON object. Written by the sender.",
                        verbose_name="options",
                    ),
                ),
                (
                    "run_at",
                    models.DateTimeField(
                        help_text="Earliest start, in UTC by the database's clock. Written by the sender, and anew by the worker, the relay or staff when the task is pending again.",
                        verbose_name="run at",
                    ),
                ),
                (
                    "delayed",
                    models.BooleanField(
                        default=False,
                        help_text="Whether the relay has to publish the message at its time. Written by the sender of a delayed message and when the task is pending again. The relay clears it.",
                        verbose_name="delayed",
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Latest start, in UTC. A task that has not started by then fails. Written by the sender.",
                        null=True,
                        verbose_name="expires at",
                    ),
                ),
                (
                    "attempt",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Number of the attempt, from 0: the fence against stale workers. Written anew by the worker, the relay or staff when the task is pending again.",
                        verbose_name="attempt",
                    ),
                ),
                (
                    "retries",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Number of automatic retries. Written by the worker. A retry by staff sets it to 0.",
                        verbose_name="retries",
                    ),
                ),
                (
                    "crashes",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Number of workers that died with the task. Written by the relay. A retry by staff sets it to 0.",
                        verbose_name="crashes",
                    ),
                ),
                (
                    "claim_id",
                    models.UUIDField(
                        blank=True,
                        help_text="Fetched batch that the task was claimed with. Written by the worker.",
                        null=True,
                        verbose_name="claim id",
                    ),
                ),
                (
                    "worker_id",
                    models.UUIDField(
                        blank=True,
                        help_text="Worker process that holds the task, or that ended it. Written by the worker.",
                        null=True,
                        verbose_name="worker id",
                    ),
                ),
                (
                    "claimed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Time of the claim, in UTC. Written by the worker.",
                        null=True,
                        verbose_name="claimed at",
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Start of the attempt, in UTC. Written by the worker, a moment later.",
                        null=True,
                        verbose_name="started at",
                    ),
                ),
                (
                    "finished_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Time at which the task ended, in UTC. Written by the worker, the relay or staff who ended it.",
                        null=True,
                        verbose_name="finished at",
                    ),
                ),
                (
                    "cancel_requested_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Time at which staff requested its cancellation, in UTC. Written by their request.",
                        null=True,
                        verbose_name="cancel requested at",
                    ),
                ),
                (
                    "traceback",
                    models.TextField(
                        blank=True,
                        help_text="Python traceback of the last failure. Written by the worker.",
                        verbose_name="traceback",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="User who may see the task besides staff. Written by the sender.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
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
                (
                    "attempt",
                    models.PositiveIntegerField(
                        help_text="Number of the attempt, from 0. Written by the worker or the relay.",
                        verbose_name="attempt",
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        help_text="Transition that ended it, such as retry or rescue. Written by the worker or the relay.",
                        max_length=20,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "error_message",
                    models.TextField(
                        blank=True,
                        help_text="Reason of the failure. Written by the worker or the relay.",
                        verbose_name="error message",
                    ),
                ),
                (
                    "traceback",
                    models.TextField(
                        blank=True,
                        help_text="Python traceback of the failure. Written by the worker.",
                        verbose_name="traceback",
                    ),
                ),
                (
                    "worker_id",
                    models.UUIDField(
                        blank=True,
                        help_text="Worker process that held the attempt. Written by the worker or the relay.",
                        null=True,
                        verbose_name="worker id",
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Start of the attempt, in UTC. Written by the worker or the relay. Empty: it had not started.",
                        null=True,
                        verbose_name="started at",
                    ),
                ),
                (
                    "ended_at",
                    models.DateTimeField(
                        help_text="End of the attempt, in UTC. Written by the worker or the relay.",
                        verbose_name="ended at",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        help_text="Task of the attempt. Written by the worker or, if it died, by the relay.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="tasks.taskstatus",
                        verbose_name="task",
                    ),
                ),
            ],
            options={
                "verbose_name": "task attempt",
                "verbose_name_plural": "task attempts",
                "ordering": ["task_id", "attempt", "id"],
            },
        ),
        migrations.CreateModel(
            name="ScheduleSlot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "slot",
                    models.DateTimeField(
                        help_text="Time of the slot, in UTC; the last one of several missed slots. Written by the scheduler or staff.",
                        verbose_name="slot",
                    ),
                ),
                (
                    "first_slot",
                    models.DateTimeField(
                        help_text="Time of the first of several missed slots, in UTC. Written by the scheduler or staff.",
                        verbose_name="first slot",
                    ),
                ),
                (
                    "count",
                    models.PositiveIntegerField(
                        default=1,
                        help_text="Number of slots that the row stands for. Written by the scheduler.",
                        verbose_name="slots",
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("fired", "Sent"),
                            ("missed", "Missed"),
                            ("skipped", "Skipped: the last run was not done"),
                            ("by hand", "Sent by hand"),
                        ],
                        help_text="Whether the slot was sent, missed or skipped. Written by the scheduler or staff.",
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "task_id",
                    models.CharField(
                        blank=True,
                        help_text="Task that was sent. Written by the scheduler or staff.",
                        max_length=255,
                        verbose_name="task id",
                    ),
                ),
                (
                    "is_open",
                    models.BooleanField(
                        default=False,
                        help_text="Whether its task may still be unfinished. Written by the scheduler or staff. The scheduler clears it.",
                        verbose_name="open",
                    ),
                ),
                (
                    "is_held",
                    models.BooleanField(
                        default=False,
                        help_text="Whether its task waits for the previous run. Written by the scheduler, which clears it, too.",
                        verbose_name="held",
                    ),
                ),
                (
                    "decided_at",
                    models.DateTimeField(
                        auto_now_add=True,
                        help_text="Time of the row, in UTC. Written by the scheduler or staff.",
                        verbose_name="decided at",
                    ),
                ),
                (
                    "schedule",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Schedule of the slot. Written by the scheduler, or by staff who run it by hand.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="slots",
                        to="tasks.schedule",
                        verbose_name="schedule",
                    ),
                ),
            ],
            options={
                "verbose_name": "schedule slot",
                "verbose_name_plural": "schedule slots",
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
    ]
