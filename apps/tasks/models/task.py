"""Tasks, their failed attempts and their groups."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.core.models import BaseModel
from apps.tasks import states
from apps.tasks.clock import ClockTimestamp


class TaskStatusQuerySet(models.QuerySet["TaskStatus"]):
    """The words in which one asks for tasks."""

    def unfinished(self) -> "TaskStatusQuerySet":
        return self.filter(status__in=states.UNFINISHED)

    def finished(self) -> "TaskStatusQuerySet":
        return self.filter(status__in=states.TERMINAL)

    def due(self) -> "TaskStatusQuerySet":
        """Pending rows whose time has come, by the database's clock."""
        return self.filter(status=states.PENDING, run_at__lte=ClockTimestamp())

    def visible_to(self, user: Any) -> "TaskStatusQuerySet":
        """All rows for staff, one's own for everybody else."""
        return self if user.is_staff else self.filter(owner_id=user.pk)

    def about(self, instance: models.Model) -> "TaskStatusQuerySet":
        """Tasks whose actor is `related_to` the instance's model and that work on it."""
        return self.filter(related_object_type=instance._meta.label, related_object_id=instance.pk)


class TaskStatus(BaseModel):
    """What is true of one task, from its send to its end. Redis may be wiped; this row may not."""

    STATUS_PENDING = states.PENDING
    STATUS_PROCESSING = states.PROCESSING
    STATUS_COMPLETED = states.COMPLETED
    STATUS_FAILED = states.FAILED
    STATUS_CANCELLED = states.CANCELLED

    STATUS_CHOICES = [
        (STATUS_PENDING, "Pending"),
        (STATUS_PROCESSING, "Processing"),
        (STATUS_COMPLETED, "Completed"),
        (STATUS_FAILED, "Failed"),
        (STATUS_CANCELLED, "Cancelled"),
    ]

    # What a caller sees.
    task_id = models.CharField(max_length=255, unique=True, help_text="The Dramatiq message id, for life.")
    task_name = models.CharField(max_length=255, help_text="The actor's name, such as documents.process_document.")
    status = models.CharField(max_length=20, choices=STATUS_CHOICES, default=STATUS_PENDING)
    progress = models.IntegerField(default=0, validators=[MinValueValidator(0), MaxValueValidator(100)])
    progress_text = models.CharField(max_length=255, blank=True, help_text="What it is doing, in words.")
    result = models.JSONField(null=True, blank=True)
    error_message = models.TextField(blank=True)
    related_object_id = models.BigIntegerField(null=True, blank=True)
    related_object_type = models.CharField(max_length=255, blank=True, help_text="Such as documents.Document.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,  # Meta has one over rows with an owner.
        help_text="Who may see it besides staff.",
    )

    # The message: enough to send it again.
    queue_name = models.CharField(max_length=100, default="default")
    priority = models.IntegerField(default=0, help_text="Lower runs first.")
    args = models.JSONField(default=list)
    kwargs = models.JSONField(default=dict)
    options = models.JSONField(default=dict)

    # When it may run.
    run_at = models.DateTimeField(help_text="Not before this instant, by the database's clock.")
    delayed = models.BooleanField(
        default=False, help_text="The relay publishes it at `run_at`. Otherwise the sender did, on commit."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Not started by then: it fails.")

    # Whose it is now.
    attempt = models.PositiveIntegerField(default=0, help_text="The fence: rises on every return to pending.")
    retries = models.PositiveIntegerField(default=0, help_text="How often it ran again because it failed.")
    crashes = models.PositiveIntegerField(default=0, help_text="How often its worker died while it ran.")
    claim_id = models.UUIDField(null=True, blank=True, help_text="The fetched batch that holds it.")
    worker_id = models.UUIDField(null=True, blank=True, help_text="The worker process that holds it or ended it.")
    claimed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    traceback = models.TextField(blank=True)

    objects = TaskStatusQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "task"
        verbose_name_plural = "tasks"
        indexes = [
            # Over unfinished rows only: they stay small however many rows are done.
            models.Index(
                fields=["run_at"],
                name="tasks_pending_delayed",
                condition=models.Q(status=states.PENDING, delayed=True),
            ),
            models.Index(fields=["id"], name="tasks_pending", condition=models.Q(status=states.PENDING)),
            models.Index(fields=["worker_id"], name="tasks_processing", condition=models.Q(status=states.PROCESSING)),
            models.Index(
                fields=["expires_at"],
                name="tasks_pending_expiring",
                condition=models.Q(status=states.PENDING, expires_at__isnull=False),
            ),
            # Tasks that are about nothing, or nobody's, do not pay for these.
            models.Index(
                fields=["related_object_type", "related_object_id"],
                name="tasks_related",
                condition=models.Q(related_object_id__isnull=False),
            ),
            models.Index(fields=["owner", "-id"], name="tasks_owner", condition=models.Q(owner__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=list(states.STATES)), name="tasks_status_is_known"),
            models.CheckConstraint(
                condition=models.Q(progress__gte=0) & models.Q(progress__lte=100), name="tasks_progress_is_a_percentage"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_name} ({self.status})"

    @property
    def is_finished(self) -> bool:
        return self.status in states.TERMINAL


class TaskAttempt(models.Model):
    """An attempt that did not complete. One that did leaves no row here, so success costs nothing."""

    task = models.ForeignKey(TaskStatus, on_delete=models.CASCADE, related_name="attempts")
    attempt = models.PositiveIntegerField()
    outcome = models.CharField(max_length=20, help_text="The move that ended it, such as retry or rescue.")
    error_message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    worker_id = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ["task_id", "attempt", "id"]
        constraints = [models.UniqueConstraint(fields=["task", "attempt"], name="tasks_attempt_ends_once")]

    def __str__(self) -> str:
        return f"attempt {self.attempt}: {self.outcome}"


class TaskGroup(models.Model):
    """How many tasks of a Dramatiq group have not completed yet. Gone when the last one has."""

    key = models.CharField(max_length=255, unique=True, help_text="Dramatiq's id of one run of the group.")
    remaining = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.remaining} left"
