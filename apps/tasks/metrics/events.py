"""Counts of what happened to tasks, since the first relay began to count."""

from dataclasses import dataclass

from apps.tasks import figures
from apps.tasks.clock import SecondsSince
from apps.tasks.errors import TaskError
from apps.tasks.figures import Counts
from apps.tasks.models import TallyMark


class NotCountedError(TaskError):
    """No relay has counted yet. It begins within a minute of its start."""


@dataclass(frozen=True, kw_only=True)
class Events:
    """Counts by actor and queue.

    Parameters:
      counted_seconds: Seconds since the end of the last minute that a relay counted. What came after the last two
        minutes is missing if it is more.
    """

    totals: dict[tuple[str, str], Counts]
    counted_seconds: float


def read() -> Events:
    """Return the counts up to now.

    Raises:
      NotCountedError: There are none.
    """
    counted = TallyMark.objects.annotate(age=SecondsSince("counted_until")).values_list("age", flat=True).first()
    if counted is None:
        raise NotCountedError("No relay has counted yet.")
    return Events(totals=figures.totals(), counted_seconds=counted)
