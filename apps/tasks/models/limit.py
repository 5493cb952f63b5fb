"""Limits of actors, and the starts that a rate counts."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.core.models import BaseModel
from apps.tasks.limits.rate import MOST, BadRateError, Rate
from apps.tasks.models.bounded_time import BoundedDateTimeField


def check_rate(text: str) -> None:
    """Raise ValidationError if the text is no rate."""
    try:
        Rate.of(text)
    except BadRateError as error:
        raise ValidationError(str(error)) from None


class Limit(BaseModel):
    """Limit of one actor. Declared in the code, and changed in the admin while the actor runs.

    Its row is locked while places are given, so that two relays never give the same one.
    """

    task_name = models.CharField(
        _("actor"), max_length=255, unique=True, help_text=_("Actor that is limited. Written by the code.")
    )
    concurrency = models.PositiveIntegerField(
        _("concurrency"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST)],
        help_text=_(
            "Tasks that run at once, as a sum of their weights. Empty: any number. 0: none, so all wait. Written by "
            "the code or by staff."
        ),
    )
    rate_limit = models.CharField(
        _("rate limit"),
        max_length=50,
        blank=True,
        validators=[check_rate],
        help_text=_(
            "Tasks that start within any stretch of time of one length, such as 10/s, 100/m, 1000/h, 5000/d or 5/30s. "
            "Empty: any number. Written by the code or by staff."
        ),
    )
    declared_concurrency = models.PositiveIntegerField(
        _("declared concurrency"),
        null=True,
        blank=True,
        help_text=_("Concurrency in the code. Written by a relay."),
    )
    declared_rate_limit = models.CharField(
        _("declared rate limit"),
        max_length=50,
        blank=True,
        help_text=_("Rate limit in the code. Written by a relay."),
    )
    is_fair = models.BooleanField(
        _("fair"),
        default=False,
        help_text=_("Whether keys take turns. Otherwise each key has the limit for itself. Written by a relay."),
    )

    # Turns.
    last_line = models.CharField(
        _("last line"),
        max_length=255,
        blank=True,
        help_text=_("Key whose task was admitted last. The next key has its turn. Written by the relay."),
    )

    class Meta:
        ordering = ["task_name"]
        verbose_name = _("limit")
        verbose_name_plural = _("limits")

    def __str__(self) -> str:
        return self.task_name

    @property
    def is_overridden(self) -> bool:
        """Whether staff have changed what the code declares."""
        return (self.concurrency, self.rate_limit) != (self.declared_concurrency, self.declared_rate_limit)


class LimitedStart(models.Model):
    """Start of a limited task whose row tells it no more, since the task is pending again."""

    task_name = models.CharField(_("actor"), max_length=255, help_text=_("Actor of the task. Written with the move."))
    line = models.CharField(
        _("line"), max_length=255, blank=True, help_text=_("Line of the task. Written with the move.")
    )
    weight = models.PositiveIntegerField(_("weight"), help_text=_("Weight of the task. Written with the move."))
    started_at = BoundedDateTimeField(
        _("started at"), help_text=_("Start of the attempt, in UTC. Written with the move.")
    )

    class Meta:
        verbose_name = _("limited start")
        verbose_name_plural = _("limited starts")
        indexes = [
            models.Index(fields=["task_name", "line", "started_at"], name="tasks_start_line"),
            models.Index(fields=["started_at"], name="tasks_start_age"),
        ]

    def __str__(self) -> str:
        return f"{self.task_name} {self.started_at:%Y-%m-%d %H:%M:%S}"
