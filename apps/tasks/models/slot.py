"""Slots of schedules."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ScheduleSlot(models.Model):
    """Outcome of a slot, or of a stretch of missed slots. The scheduler prunes old rows."""

    FIRED, MISSED, SKIPPED, BY_HAND = "fired", "missed", "skipped", "by hand"
    OUTCOMES = {
        FIRED: _("Sent"),
        MISSED: _("Missed"),
        SKIPPED: _("Skipped: the last run was not done"),
        BY_HAND: _("Sent by hand"),
    }

    schedule = models.ForeignKey(
        "tasks.Schedule",
        verbose_name=_("schedule"),
        on_delete=models.CASCADE,
        related_name="slots",
        db_index=False,  # The constraint has one.
        help_text=_("Schedule of the slot. Written by the scheduler, or by staff who run it by hand."),
    )
    slot = models.DateTimeField(
        _("slot"),
        help_text=_(
            "Time of the slot, in UTC; the last one of several missed slots. Written by the scheduler or staff."
        ),
    )
    first_slot = models.DateTimeField(
        _("first slot"),
        help_text=_("Time of the first of several missed slots, in UTC. Written by the scheduler or staff."),
    )
    count = models.PositiveIntegerField(
        _("slots"), default=1, help_text=_("Number of slots that the row stands for. Written by the scheduler.")
    )
    outcome = models.CharField(
        _("outcome"),
        max_length=10,
        choices=list(OUTCOMES.items()),
        help_text=_("Whether the slot was sent, missed or skipped. Written by the scheduler or staff."),
    )
    task_id = models.CharField(
        _("task id"), max_length=255, blank=True, help_text=_("Task that was sent. Written by the scheduler or staff.")
    )
    is_open = models.BooleanField(
        _("open"),
        default=False,
        help_text=_(
            "Whether its task may still be unfinished. Written by the scheduler or staff. The scheduler clears it."
        ),
    )
    is_held = models.BooleanField(
        _("held"),
        default=False,
        help_text=_("Whether its task waits for the previous run. Written by the scheduler, which clears it, too."),
    )
    decided_at = models.DateTimeField(
        _("decided at"), auto_now_add=True, help_text=_("Time of the row, in UTC. Written by the scheduler or staff.")
    )

    class Meta:
        ordering = ["-slot"]
        verbose_name = _("schedule slot")
        verbose_name_plural = _("schedule slots")
        constraints = [models.UniqueConstraint(fields=["schedule", "slot"], name="tasks_slot_is_decided_once")]
        indexes = [
            models.Index(fields=["schedule"], name="tasks_slot_open", condition=models.Q(is_open=True)),
            models.Index(fields=["schedule"], name="tasks_slot_held", condition=models.Q(is_held=True)),
            models.Index(fields=["slot"], name="tasks_slot_age"),
        ]

    def __str__(self) -> str:
        return f"{self.slot:%Y-%m-%d %H:%M:%S} {self.outcome}"
