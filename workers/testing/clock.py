"""The clock of tasks, as a test moves it: instead of the clock, the times of the tasks are moved."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.tasks.models import LimitedStart, TaskKey, TaskStatus
from workers.testing.errors import MisuseError

#: Times of rows that are compared with the database's clock.
TIMES: dict[Any, tuple[str, ...]] = {
    TaskStatus: ("created_at", "run_at", "expires_at", "unknown_since", "started_at"),
    TaskKey: ("until",),
    LimitedStart: ("started_at",),
}


def advance(by: timedelta | None = None, /, **units: float) -> None:
    """Let time pass for all tasks: `advance(minutes=5)`. Delays, retries, expiries, throttles and rates notice.

    All their times become earlier by that span. Python's clock stays.

    Parameters:
      by: Instead of units.
      units: As those of `timedelta`.

    Raises:
      MisuseError: It is no span of time, no time passes, or it goes back.
    """
    try:
        passed = timedelta(**units) if by is None else by
    except TypeError:
        passed = None
    if not isinstance(passed, timedelta):
        told = ", ".join([repr(by)] * (by is not None) + [f"{name}={value!r}" for name, value in units.items()])
        raise MisuseError(
            f"advance({told}) is no span of time. Its units are those of timedelta: advance(minutes=5), with weeks, "
            "days, hours, minutes, seconds or milliseconds, or advance(timedelta(minutes=5))."
        )
    if passed <= timedelta() or (by is not None and units):
        raise MisuseError("advance() needs one span of time above zero, such as advance(minutes=5).")
    with transaction.atomic():
        for model, names in TIMES.items():
            model.objects.update(**{name: F(name) - passed for name in names})
