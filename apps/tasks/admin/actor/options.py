"""The options of an actor, in words."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.tasks import duration

#: Options that are times in milliseconds, or timedeltas.
TIMES = {
    "time_limit": _("time limit"),
    "hard_time_limit": _("hard time limit"),
    "max_age": _("starts within"),
    "expires": _("starts within"),
    "min_backoff": _("first retry after"),
    "max_backoff": _("later retries after at most"),
}
#: Options whose value says all.
VALUES = {
    "max_retries": _("automatic retries"),
    "concurrency": _("at once"),
    "rate_limit": _("rate"),
    "max_waiting": _("waiting at most"),
    "memory_limit": _("memory limit"),
    "periodic": _("schedule"),
    "related_to": _("about"),
    "max_snoozes": _("snoozes at most"),
    "keep": _("kept for"),
}
#: Options that are on or off. A function or a name says by what.
FLAGS = {
    "unique": _("unique"),
    "isolate": _("in a process of its own"),
    "transactional": _("in one transaction with its completion"),
    "idempotent": _("may run twice"),
    "fair_by": _("keys take turns"),
    "limit_key": _("a limit for each key"),
}
#: Options that a line of the list names.
SHORT = ("max_retries", "time_limit", "concurrency", "rate_limit", "unique", "isolate", "fair_by")
#: Characters of a value, at most.
LENGTH = 80


def of(actor: Any) -> list[tuple[Any, str]]:
    """Return all options that have words, as pairs of name and value."""
    return [
        (_("queue"), str(actor.queue_name)),
        *((_("priority"), str(actor.priority)) for _once in [0] if actor.priority),
        *_found(actor, [*VALUES, *TIMES, *FLAGS]),
    ]


def in_short(actor: Any) -> str:
    """Return the queue and the options that matter most, in one line."""
    parts = [str(actor.queue_name)]
    parts += [f"{name} {value}" if value else str(name) for name, value in _found(actor, SHORT)]
    return ", ".join(parts)


def _found(actor: Any, names: Any) -> Iterator[tuple[Any, str]]:
    for name in names:
        value = actor.options.get(name)
        if value is None or value is False:
            continue
        if name in TIMES:
            yield TIMES[name], _time(value)
        elif name in VALUES:
            yield VALUES[name], f"{value!s:.{LENGTH}}"
        else:
            yield FLAGS[name], ""


def _time(value: Any) -> str:
    if isinstance(value, int | float):
        value = timedelta(milliseconds=min(value, 10**12))
    return duration.in_words(value) if isinstance(value, timedelta) else f"{value!s:.{LENGTH}}"
