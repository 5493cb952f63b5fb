"""Tasks."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.core.models import BaseModel
from apps.core.permission import sees_all
from apps.tasks import states, visibility
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models.bounded_time import BoundedDateTimeField
from apps.tasks.models.written_json import WrittenJSONField

#: Rows that wait for a place of their limit, and rows that have one. The conditions of the indexes over them.
IN_LINE = {"status": states.PENDING, "in_line": True}
WITH_PLACE = {"line__isnull": False, "in_line": False, "delayed": False, "status__in": states.UNFINISHED}


class TaskStatusQuerySet(models.QuerySet["TaskStatus"]):
    """Query words for tasks."""

    def unfinished(self) -> "TaskStatusQuerySet":
        return self.filter(status__in=states.UNFINISHED)

    def finished(self) -> "TaskStatusQuerySet":
        return self.filter(status__in=states.TERMINAL)

    def unfinished_of(self, owner_id: Any) -> "TaskStatusQuerySet":
        """Return the unfinished rows of a user. The time of the end tells, since the index over them is about it."""
        return self.filter(owner_id=owner_id, finished_at__isnull=True)

    def due(self) -> "TaskStatusQuerySet":
        """Return pending rows whose time has come, by the database's clock."""
        return self.filter(status=states.PENDING, run_at__lte=ClockTimestamp(once=True))

    def in_line(self) -> "TaskStatusQuerySet":
        """Return the rows that wait for a place of their limit."""
        return self.filter(**IN_LINE)

    def with_place(self) -> "TaskStatusQuerySet":
        """Return the rows that have a place of their limit: they are handed out and have not ended."""
        return self.filter(**WITH_PLACE)

    def visible_to(self, user: Any) -> "TaskStatusQuerySet":
        """Return all rows for staff with the permission, for any other user as `apps.tasks.visibility` says."""
        return self if sees_all(user, self.model) else visibility.of(user, self)

    def about(self, instance: models.Model) -> "TaskStatusQuerySet":
        """Return the tasks that work on the instance: their actor is `related_to` its model.

        An instance whose primary key is not an integer has none, since the column holds integers.
        """
        if not isinstance(instance.pk, int):
            return self.none()
        return self.filter(related_object_type=instance._meta.label, related_object_id=instance.pk)


class TaskStatus(BaseModel):
    """State of one task, from its send to its end. Redis may be wiped; this row may not."""

    STATUS_PENDING = states.PENDING
    STATUS_PROCESSING = states.PROCESSING
    STATUS_COMPLETED = states.COMPLETED
    STATUS_FAILED = states.FAILED
    STATUS_CANCELLED = states.CANCELLED

    STATUS_CHOICES = [
        (STATUS_PENDING, _("Pending")),
        (STATUS_PROCESSING, _("Processing")),
        (STATUS_COMPLETED, _("Completed")),
        (STATUS_FAILED, _("Failed")),
        (STATUS_CANCELLED, _("Cancelled")),
    ]

    created_at = BoundedDateTimeField(
        _("created at"),
        auto_now_add=True,
        help_text=_("Time of the send, in UTC. Written by the sender. It never changes."),
    )
    updated_at = BoundedDateTimeField(
        _("updated at"),
        auto_now=True,
        help_text=_("Time of the last transition or report of progress, in UTC. Written with each of them."),
    )

    # Columns for callers.
    task_id = models.CharField(
        _("task id"),
        max_length=255,
        unique=True,
        help_text=_("Dramatiq's message id. Written by the sender. It never changes."),
    )
    task_name = models.CharField(
        _("task name"),
        max_length=255,
        help_text=_("Name of the actor, such as documents.process_document. Written by the sender."),
    )
    status = models.CharField(
        _("status"),
        max_length=20,
        choices=STATUS_CHOICES,
        default=STATUS_PENDING,
        help_text=_("State of the task. Written with each transition by the sender, a worker, the relay or staff."),
    )
    progress = models.IntegerField(
        _("progress"),
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=_("Percent done, 0 to 100. Written by the worker."),
    )
    progress_text = models.CharField(
        _("progress text"),
        max_length=255,
        blank=True,
        help_text=_("Current step of the task, in words. Written by the worker."),
    )
    result = WrittenJSONField(
        _("result"), null=True, blank=True, help_text=_("Return value of the actor, as JSON. Written by the worker.")
    )
    error_message = models.TextField(
        _("error message"),
        blank=True,
        help_text=_("Reason of the last failure. Written by the worker or, for a task that never ran, by the relay."),
    )
    error_type = models.CharField(
        _("error type"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Dotted name of the last failure's class, such as KeyError. Written with the error message. Empty: "
            "no exception was raised."
        ),
    )
    cause = models.CharField(
        _("cause"),
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Hash of the actor, the error type and the error message without numbers, quoted texts and ids: failures "
            "with the same cause have the same. Written with the error message."
        ),
    )
    related_object_id = models.BigIntegerField(
        _("related object id"),
        null=True,
        blank=True,
        help_text=_("Primary key of the object that the task works on. Written by the sender."),
    )
    related_object_type = models.CharField(
        _("related object type"),
        max_length=255,
        blank=True,
        help_text=_("Model of that object, such as documents.Document. Written by the sender."),
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,  # Meta has one over rows with an owner.
        help_text=_("User who may see the task besides staff. Written by the sender."),
    )

    # The message: enough to send it again.
    queue_name = models.CharField(
        _("queue name"), max_length=100, default="default", help_text=_("Queue of the message. Written by the sender.")
    )
    priority = models.IntegerField(
        _("priority"),
        default=0,
        help_text=_("Order within the queue: a lower number runs first. Written by the sender."),
    )
    args = WrittenJSONField(
        _("arguments"),
        default=list,
        help_text=_("Positional arguments of the actor, as a JSON list. Written by the sender."),
    )
    kwargs = WrittenJSONField(
        _("keyword arguments"),
        default=dict,
        help_text=_("Keyword arguments of the actor, as a JSON object. Written by the sender."),
    )
    options = WrittenJSONField(
        _("options"),
        default=dict,
        help_text=_("Options of the message that have no column, as a JSON object. Written by the sender."),
    )

    # When it may run.
    run_at = BoundedDateTimeField(
        _("run at"),
        help_text=_(
            "Earliest start, in UTC by the database's clock. Written by the sender, and anew by the worker, the relay "
            "or staff when the task is pending again."
        ),
    )
    delayed = models.BooleanField(
        _("delayed"),
        default=False,
        help_text=_(
            "Whether the relay has to publish the message at its time. Written by the sender of a delayed message and "
            "when the task is pending again. The relay clears it."
        ),
    )
    expires_at = BoundedDateTimeField(
        _("expires at"),
        null=True,
        blank=True,
        help_text=_("Latest start, in UTC. A task that has not started by then fails. Written by the sender."),
    )

    # Limits. Rows of actors without one pay nothing for them.
    line = models.CharField(  # noqa: DJ001 - NULL is no limit, and an empty text the one line of an actor.
        _("line"),
        max_length=255,
        null=True,
        blank=True,
        help_text=_(
            "Key of the limit that the task counts for, of its actor. Empty text: the actor has one line. NULL: the "
            "actor has no limit. Written by the sender."
        ),
    )
    in_line = models.BooleanField(
        _("in line"),
        default=False,
        db_default=False,
        help_text=_(
            "Whether the task waits for a place, so that no worker gets its message. Written by the sender of a "
            "limited task and by the relay, which clears it."
        ),
    )
    weight = models.PositiveIntegerField(
        _("weight"),
        default=1,
        db_default=1,
        help_text=_("Places of the limit that the task takes. Written by the sender."),
    )

    unknown_since = BoundedDateTimeField(
        _("unknown since"),
        null=True,
        blank=True,
        help_text=_(
            "First time at which no worker could take the task, in UTC: none knows its actor, its queue or its "
            "arguments. Written by the worker or the relay, and cleared when an attempt ends."
        ),
    )

    # Whose it is now.
    attempt = models.PositiveIntegerField(
        _("attempt"),
        default=0,
        help_text=_(
            "Number of the attempt, from 0: the fence against stale workers. Written anew by the worker, the relay or "
            "staff when the task is pending again."
        ),
    )
    retries = models.PositiveIntegerField(
        _("retries"),
        default=0,
        help_text=_("Number of automatic retries. Written by the worker. A retry by staff sets it to 0."),
    )
    snoozes = models.PositiveSmallIntegerField(
        _("snoozes"),
        default=0,
        db_default=0,
        help_text=_(
            "Number of times that the task put itself off. Written by the worker. A retry by staff sets it to 0."
        ),
    )
    crashes = models.PositiveIntegerField(
        _("crashes"),
        default=0,
        help_text=_("Number of workers that died with the task. Written by the relay. A retry by staff sets it to 0."),
    )
    claim_id = models.UUIDField(
        _("claim id"),
        null=True,
        blank=True,
        help_text=_("Fetched batch that the task was claimed with. Written by the worker."),
    )
    worker_id = models.UUIDField(
        _("worker id"),
        null=True,
        blank=True,
        help_text=_("Worker process that holds the task, or that ended it. Written by the worker."),
    )
    claimed_at = BoundedDateTimeField(
        _("claimed at"), null=True, blank=True, help_text=_("Time of the claim, in UTC. Written by the worker.")
    )
    started_at = BoundedDateTimeField(
        _("started at"),
        null=True,
        blank=True,
        help_text=_("Start of the attempt, in UTC. Written by the worker, a moment later."),
    )
    finished_at = BoundedDateTimeField(
        _("finished at"),
        null=True,
        blank=True,
        help_text=_("Time at which the task ended, in UTC. Written by the worker, the relay or staff who ended it."),
    )
    cancel_requested_at = BoundedDateTimeField(
        _("cancel requested at"),
        null=True,
        blank=True,
        help_text=_("Time at which staff requested its cancellation, in UTC. Written by their request."),
    )
    traceback = models.TextField(
        _("traceback"), blank=True, help_text=_("Python traceback of the last failure. Written by the worker.")
    )

    objects = TaskStatusQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        # Besides Django's own. `apps.tasks.permission` says what each of them allows.
        permissions = [
            ("cancel_taskstatus", "Can cancel task"),
            ("retry_taskstatus", "Can retry task"),
            ("pause_taskstatus", "Can pause queues and actors"),
            ("view_arguments_taskstatus", "Can view arguments of task"),
        ]
        indexes = [
            # Over unfinished rows only: they stay small whatever the number of finished ones.
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
            models.Index(
                fields=["cause", "finished_at"], name="tasks_failed_cause", condition=models.Q(status=states.FAILED)
            ),
            # Causes by time, from the index alone.
            models.Index(
                fields=["finished_at", "cause"], name="tasks_failed_lately", condition=models.Q(status=states.FAILED)
            ),
            # The list of tasks by state. A task that completes is in neither.
            models.Index(fields=["id"], name="tasks_failed", condition=models.Q(status=states.FAILED)),
            models.Index(fields=["id"], name="tasks_cancelled", condition=models.Q(status=states.CANCELLED)),
            # The figures, and the list by time of the end. A task is added to it once.
            models.Index(fields=["finished_at"], name="tasks_finished", condition=models.Q(finished_at__isnull=False)),
            # Limited tasks only: those that wait, by urgency and by age, those that have a place, and the starts.
            models.Index(
                fields=["task_name", "line", "priority", "id"], name="tasks_in_line", condition=models.Q(**IN_LINE)
            ),
            models.Index(
                fields=["task_name", "line", "id"], name="tasks_in_line_by_age", condition=models.Q(**IN_LINE)
            ),
            models.Index(fields=["task_name", "line"], name="tasks_with_place", condition=models.Q(**WITH_PLACE)),
            models.Index(
                fields=["task_name", "line", "started_at"],
                name="tasks_limited_starts",
                condition=models.Q(line__isnull=False, started_at__isnull=False),
            ),
            # Tasks without an object or an owner do not pay for these.
            models.Index(
                fields=["related_object_type", "related_object_id"],
                name="tasks_related",
                condition=models.Q(related_object_id__isnull=False),
            ),
            models.Index(fields=["owner", "-id"], name="tasks_owner", condition=models.Q(owner__isnull=False)),
            models.Index(
                fields=["owner"],
                name="tasks_owner_unfinished",
                condition=models.Q(owner__isnull=False, finished_at__isnull=True),
            ),
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
