"""States of a schedule, as its pages show them."""

from datetime import timedelta

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import elements
from apps.tasks.models import Schedule
from apps.tasks.schedules import checking, clock

ON, LATE, PAUSED, BROKEN, ENDED = "on", "late", "paused", "broken", "ended"

#: Name and kind of label of each state.
STATES = {
    ON: (_("On"), "success"),
    LATE: (_("Late"), "danger"),
    PAUSED: (_("Paused"), "warning"),
    BROKEN: (_("Broken"), "danger"),
    ENDED: (_("Ended"), "default"),
}

#: Delay of a firing after which no scheduler seems to run.
LATE_AFTER = timedelta(minutes=1)


def of(schedule: Schedule) -> str:
    """Return the state of a schedule."""
    if checking.broken(schedule):
        return BROKEN
    if not schedule.enabled:
        return PAUSED
    if schedule.next_at is None:
        return ENDED
    return LATE if schedule.next_at < clock.faster(timezone.now()) - LATE_AFTER else ON


def label(schedule: Schedule) -> SafeString:
    name, kind = STATES[of(schedule)]
    return elements.label(name, kind=kind)


def complaint(schedule: Schedule) -> str:
    """Return why a schedule does not do what it should, or an empty text."""
    if message := checking.broken(schedule):
        return message
    if of(schedule) == LATE:
        return gettext("No scheduler has sent its last slot. Is a scheduler running?")
    return ""
