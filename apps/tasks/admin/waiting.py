"""Kinds of waiting: pending tasks by what they wait for. Each pending task is of one kind."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A kind of waiting.

    Parameters:
      name: Name in addresses.
      title: Name on the dashboard.
      filter_text: What such a task waits for.
      condition: Condition for the rows of pending tasks.
    """

    name: str
    title: Any
    filter_text: Any
    condition: Q


WORKER = Waiting(
    name="worker", title=_("Waiting"), filter_text=_("A worker"), condition=Q(in_line=False, delayed=False)
)
DELAY = Waiting(
    name="time", title=_("Delayed"), filter_text=_("Its time"), condition=Q(in_line=False, delayed=True, retries=0)
)
RETRY = Waiting(
    name="retry",
    title=_("Retrying"),
    filter_text=_("Its automatic retry"),
    condition=Q(in_line=False, delayed=True, retries__gt=0),
)
LIMIT = Waiting(
    name="limit",
    title=_("Limited"),
    filter_text=_("A place of its limit"),
    condition=Q(in_line=True, line__isnull=False),
)
#: Tasks of a paused actor that a worker has set aside. Those of a paused queue count as waiting for a worker.
PAUSE = Waiting(
    name="pause",
    title=_("Set aside"),
    filter_text=_("The end of its actor's pause"),
    condition=Q(in_line=True, line__isnull=True),
)
KINDS = (WORKER, DELAY, RETRY, LIMIT, PAUSE)


def kind_of(*, in_line: bool, delayed: bool, has_retried: bool, has_line: bool = True) -> Waiting:
    """Return the kind of waiting of a pending task."""
    if in_line and not has_line:
        return PAUSE
    if in_line:
        return LIMIT
    if not delayed:
        return WORKER
    return RETRY if has_retried else DELAY
