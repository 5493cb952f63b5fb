"""The lines of the page of the actors, and what the page of one shows."""

from datetime import timedelta
from typing import Any

import dramatiq
from django.db.models.functions import Left
from django.utils import timezone

from apps.tasks import duration, failures, figures, pauses, states
from apps.tasks.admin import elements
from apps.tasks.admin.action_pages import ERROR_START_LENGTH
from apps.tasks.admin.actor import options
from apps.tasks.admin.now import chart
from apps.tasks.admin.now.addresses import tasks
from apps.tasks.admin.now.page import ENDED
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.figures import Counts, Period
from apps.tasks.models import Pause, TaskStatus
from apps.tasks.statements import causes

#: Actors that are shown.
MOST = 500
#: Causes of failures that are looked at, of all actors, and shown, of one.
MOST_CAUSES, SHOWN_CAUSES = 500, 10
#: Width of the bar of an actor's part of the time, in units of its drawing.
BAR = 100


def of_all(period: Period) -> dict[str, Any]:
    """Return the actors with their figures, those first that took the most time.

    The number of statements is the same for any number of actors and rows.
    """
    series = figures.over(period)
    counts, paused = series.by_actor(), pauses.read().actors
    known: Any = dramatiq.get_broker()
    names = {*known.get_declared_actors(), *counts, *paused}
    together = sum(one.run_ms for one in counts.values())
    found = sorted(names, key=lambda name: (-_run_ms(counts, name), name))
    return {
        "lines": [
            _line(
                name,
                counts.get(name) or Counts(),
                paused.get(name),
                known.actors.get(name),
                period=period,
                together=together,
            )
            for name in found[:MOST]
        ],
        "more": max(0, len(found) - MOST),
        "is_behind": series.is_behind and series.counted_until is not None,
        "counted_until": elements.timestamp(series.counted_until),
    }


def of_one(name: str, period: Period) -> dict[str, Any]:
    """Return what the page of an actor shows."""
    series = figures.over(period, task_name=name)
    actor = dramatiq.get_broker().actors.get(name)
    pause = pauses.read().actors.get(name)
    counts = series.total
    return {
        "line": _line(name, counts, pause, actor, period=period, together=counts.run_ms),
        "options": options.of(actor) if actor is not None else [],
        "is_known": actor is not None,
        "chart": chart.of(series),
        "causes": _causes(name, period),
    }


def _run_ms(counts: dict[str, Counts], name: str) -> int:
    return counts[name].run_ms if name in counts else 0


def _line(
    name: str, counts: Counts, pause: Pause | None, actor: Any, *, period: Period, together: int
) -> dict[str, Any]:
    ended = ENDED[period]
    part = counts.run_ms / together if together else 0.0
    return {
        "name": name,
        "kind": pauses.ACTOR,
        "note": options.in_short(actor) if actor is not None else "",
        "pause": pause,
        "since": elements.timestamp(pause.since, short=True) if pause else "",
        "done": elements.number(counts.completed),
        "done_url": tasks(status__exact=states.COMPLETED, task=name, ended=ended),
        "failed": elements.number(counts.failed),
        "failed_url": tasks(status__exact=states.FAILED, task=name, ended=ended),
        "has_failed": bool(counts.failed),
        "retried": elements.number(counts.retried) if counts.retried else elements.NOTHING,
        "waits": _pair(counts.wait_quantile(0.5), counts.wait_quantile(0.95)),
        "runs": _pair(counts.run_quantile(0.5), counts.run_quantile(0.95)),
        "together": duration.in_words(timedelta(milliseconds=counts.run_ms)) if counts.run_ms else elements.NOTHING,
        "together_url": tasks(task=name, ended=ended),
        "part": round(part * BAR, 1),
        "percent": round(part * 100),
    }


def _pair(median: float | None, most: float | None) -> tuple[str, str] | None:
    if median is None or most is None:
        return None
    return duration.in_words(timedelta(seconds=median)), duration.in_words(timedelta(seconds=most))


def _causes(name: str, period: Period) -> list[dict[str, Any]]:
    """Return the causes of the actor's failures, the most frequent first, each with its last error."""
    most = CappedPaginator.cap
    found = causes.since(timezone.now() - period.length, limit=MOST_CAUSES, most_counted=most)
    columns = TaskStatus.objects.filter(task_name=name).only("pk", "error_type")
    last = columns.annotate(error_start=Left("error_message", ERROR_START_LENGTH)).in_bulk([one.pk for one in found])
    return [
        {
            "number": elements.number(min(cause.number, most)) + ("+" if cause.number > most else ""),
            "error": failures.in_short(last[cause.pk].error_type, last[cause.pk].error_start),
            "last": elements.timestamp(cause.last_at, short=True),
            "see": tasks(status__exact=states.FAILED, cause=cause.cause, ended=ENDED[period]),
        }
        for cause in found
        if cause.pk in last
    ][:SHOWN_CAUSES]
