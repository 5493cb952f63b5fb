"""The last minutes: how often each actor starts, and how long it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from django.utils import timezone

from apps.tasks import figures
from apps.tasks.figures import Counts

#: The last five minutes and the open one.
WINDOW = figures.Period(name="window", length=timedelta(minutes=6), step=1)


class Pace(NamedTuple):
    """Runs of one queue and actor that began in the window."""

    queue_name: str
    task_name: str
    started: int


@dataclass(frozen=True, kw_only=True)
class Recent:
    """The last minutes.

    Parameters:
      seconds: Length of the window.
      run_seconds: Mean run times by actor: of the window, else of the last hour.
    """

    paces: tuple[Pace, ...] = ()
    seconds: float = 300.0
    run_seconds: Mapping[str, float] = field(default_factory=dict)


def read() -> Recent:
    """Return the paces, as the relays have counted them. They are empty if no relay ever counted."""
    window, hour = figures.over(WINDOW), figures.over(figures.HOUR)
    return Recent(
        paces=tuple(Pace(queue, actor, counts.started) for (actor, queue), counts in window.by_names.items()),
        seconds=max(1.0, (timezone.now() - window.points[0].start).total_seconds()),
        run_seconds=_means(hour.by_actor()) | _means(window.by_actor()),
    )


def _means(counts: Mapping[str, Counts]) -> dict[str, float]:
    return {actor: one.run_ms / 1000 / sum(one.runs) for actor, one in counts.items() if any(one.runs)}
