"""Limits of actors and the places in use. The tasks that wait for a place are in the backlog."""

from typing import NamedTuple

from django.db.models import Sum

from apps.tasks.models import Limit, TaskStatus


class LimitFigures(NamedTuple):
    """A limit.

    Parameters:
      concurrency: Places of each of its lines. None: any number.
      used: Sum of the weights of the tasks that have a place, over all lines.
    """

    task_name: str
    concurrency: int | None
    used: int


def read() -> tuple[LimitFigures, ...]:
    """Return all limits."""
    placed = TaskStatus.objects.with_place().order_by().values_list("task_name").annotate(Sum("weight"))
    used = dict(placed)
    limits = Limit.objects.values_list("task_name", "concurrency")
    return tuple(LimitFigures(name, concurrency, used.get(name, 0)) for name, concurrency in limits)
