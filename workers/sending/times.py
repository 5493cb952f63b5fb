"""When a message may start, and until when: `delay` and `eta`, `max_age` and `expires`.

The options of a message have them as JSON carries them, so that they survive in what follows a task: a span is a whole
number of milliseconds, and an instant (`eta`, `expires`) is a number of milliseconds since 1970.
"""

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from dramatiq import Actor, Message

from apps.tasks.errors import BadOptionError

#: Longest `delay` and `max_age`, in milliseconds: ten years. Dates have an end.
LONGEST_MS = 10 * 365 * 24 * 60 * 60 * 1000
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The last instant that Python knows, about the year 9999, in milliseconds since 1970.
FARTHEST_MS = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND

#: Options of a message that say when it may start and until when, beside the spans that are numbers.
TIMES = ("delay", "eta", "expires")

HOW_TO_MAKE_AWARE = (
    "which has no time zone: make it aware with django.utils.timezone.make_aware(value), or begin with "
    "timezone.now() + timedelta(hours=1)"
)


# --- As callers write them -----------------------------------------------------------------------


def whole_number(
    actor_name: str, where: str, value: Any, *, unit: str = " (milliseconds: ten years)", or_else: str = ""
) -> int:
    """Return the value, which is a whole number of milliseconds or of times.

    Parameters:
      unit, or_else: Unit and other valid forms, for the error.

    Raises:
      BadOptionError: It is none, or larger than `LONGEST_MS`.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_MS:
        return int(value)
    raise BadOptionError(
        f"{where} for {actor_name} is {shown(value)}, must be a whole number from 0 to {LONGEST_MS:,}{unit}{or_else}"
    )


def options_of(actor_name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a message with their times as JSON carries them.

    Raises:
      BadOptionError: A time is of another type, naive, out of range, or said twice.
    """
    for one, other in (("delay", "eta"), ("max_age", "expires")):
        if given.get(one) is not None and given.get(other) is not None:
            raise BadOptionError(f"{actor_name} got both {one} and {other}: they say the same, so leave one out")
    options = {name: value for name, value in given.items() if name not in TIMES}
    delay, eta, expires = (given.get(name) for name in TIMES)
    if isinstance(delay, datetime):
        options["eta"] = _instant_ms(actor_name, "delay", delay)
    elif delay is not None:
        options["delay"] = _span_ms(actor_name, "delay", delay, or_else=", a timedelta, or an aware datetime")
    if isinstance(eta, datetime):
        options["eta"] = _instant_ms(actor_name, "eta", eta)
    elif eta is not None:
        raise BadOptionError(
            f"eta for {actor_name} is {shown(eta)}, must be an aware datetime such as timezone.now() + "
            "timedelta(hours=1); delay takes milliseconds or a timedelta"
        )
    if isinstance(expires, datetime):
        options["expires"] = _instant_ms(actor_name, "expires", expires)
    elif expires is not None:
        options["max_age"] = span_of_expires(actor_name, expires, or_else=", or an aware datetime")
    return options


def span_of_expires(actor_name: str, value: Any, *, or_else: str = "") -> int:
    """Return the milliseconds of an `expires` that is a timedelta.

    Raises:
      BadOptionError: It is none, or out of range.
    """
    if isinstance(value, timedelta):
        return _span_ms(actor_name, "expires", value)
    raise BadOptionError(
        f"expires for {actor_name} is {shown(value)}, must be a timedelta such as timedelta(hours=1){or_else}; max_age "
        "takes milliseconds"
    )


def _span_ms(actor_name: str, where: str, value: Any, *, or_else: str = "") -> int:
    if not isinstance(value, timedelta):
        return whole_number(actor_name, where, value, or_else=or_else)
    if timedelta(0) <= value <= LONGEST_MS * MILLISECOND:
        return rounded_up(value)
    raise BadOptionError(f"{where} for {actor_name} is {shown(value)}, must be from 0 to ten years (3,650 days)")


def _instant_ms(actor_name: str, where: str, value: datetime) -> int:
    if timezone.is_naive(value):
        raise BadOptionError(f"{where} for {actor_name} is {shown(value)}, {HOW_TO_MAKE_AWARE}")
    return _checked_instant(actor_name, where, rounded_up(value - EPOCH), value)


def _checked_instant(actor_name: str, where: str, instant_ms: int, value: Any) -> int:
    if instant_ms - _now_ms() > LONGEST_MS:
        raise BadOptionError(f"{where} for {actor_name} is {shown(value)}, must be within ten years from now")
    return instant_ms


def rounded_up(span: timedelta) -> int:
    """Return whole milliseconds. A task that starts a part of one early would be too early."""
    whole, rest = divmod(span, MILLISECOND)
    return whole + bool(rest)


# --- As messages have them -----------------------------------------------------------------------


def check_time(actor_name: str, name: str, value: Any, *, where: str = "") -> None:
    """Check one of `TIMES` in the options of a message. The message need not be made by an actor.

    Parameters:
      where: How the error names it.

    Raises:
      BadOptionError: It is of another type, naive, or out of range.
    """
    where = where or f"option {name!r}"
    if isinstance(value, datetime):
        _instant_ms(actor_name, where, value)
    elif name == "delay" or isinstance(value, timedelta):
        _span_ms(actor_name, where, value)
    elif isinstance(value, int) and not isinstance(value, bool):
        _checked_instant(actor_name, where, value, value)
    else:
        raise BadOptionError(
            f"{where} for {actor_name} is {shown(value)}, must be an aware datetime, or milliseconds since 1970"
        )


def checked_start_and_age(actor: Actor[..., Any], message: Message[Any], *, delay: Any) -> tuple[int, int | None]:
    """Return what `start_and_age` does, for a message with a caller.

    Raises:
      BadOptionError: A time is none, or the message expires before it may start.
    """
    if delay is not None:
        _span_ms(actor.actor_name, "delay", delay, or_else=" or a timedelta")
    elif not message.options and "max_age" not in actor.options and "expires" not in actor.options:
        return 0, None  # Nearly always.
    delay_ms, age_ms = start_and_age(message.options, actor.options, delay=delay)
    if age_ms is not None and age_ms < 0 < delay_ms:
        raise BadOptionError(
            f"expires for {actor.actor_name} is {-age_ms:,} ms before its delay, eta or debounce, so it could never "
            "start"
        )
    return delay_ms, age_ms


def start_and_age(options: Mapping[str, Any], declared: Mapping[str, Any], *, delay: Any) -> tuple[int, int | None]:
    """Return the milliseconds until a message may start, and those from then in which it still may. None: no limit.

    A time that is none is passed over: what follows a task has no caller who could mend it. Of several times at which
    a message may start, the last one counts, as in Dramatiq's pipelines. A time that has passed means at once.

    Parameters:
      options: Options of the message. They come before those of its actor.
      declared: Options of its actor.
      delay: Of the call that sends the message.
    """
    if not options and delay is None:
        return 0, _age_ms(declared)
    now_ms = _now_ms()
    spans = [delay, options.get("delay")]
    if (start := _instant_of(options.get("eta"))) is not None:
        spans.append(_span_until(start, now_ms))
    delay_ms = max(clipped(span) or 0 for span in spans)
    if (end := _instant_of(options.get("expires"))) is not None:
        return delay_ms, min(max(_span_until(end, now_ms) - delay_ms, -LONGEST_MS), LONGEST_MS)
    age_ms = _age_ms(options)
    return delay_ms, _age_ms(declared) if age_ms is None else age_ms


def _age_ms(options: Mapping[str, Any]) -> int | None:
    expires = options.get("expires")
    return clipped(expires if isinstance(expires, timedelta) else options.get("max_age"))


def _instant_of(value: Any) -> datetime | None:
    """Return the instant that an option says. None: it says none."""
    if isinstance(value, datetime):
        return value if timezone.is_aware(value) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return EPOCH + min(max(value, 0), FARTHEST_MS) * MILLISECOND


def _span_until(instant: datetime, now_ms: int) -> int:
    return rounded_up(instant - EPOCH) - now_ms


def clipped(value: Any) -> int | None:
    """Return a span in milliseconds, within the limits. None: it is none. For sends that no caller can mend."""
    if isinstance(value, timedelta):
        value = rounded_up(value)
    return min(max(int(value), 0), LONGEST_MS) if isinstance(value, int) and not isinstance(value, bool) else None


def delay_ms(actor_name: str, delay: Any) -> int:
    """Return the milliseconds for which a message that is enqueued again waits.

    Raises:
      BadOptionError: The delay is no number of milliseconds and no timedelta.
    """
    if isinstance(delay, float) and math.isfinite(delay):
        delay = math.ceil(delay)  # Computed from a rate, perhaps.
    found = 0 if delay is None else clipped(delay)
    return _span_ms(actor_name, "delay", delay, or_else=" or a timedelta") if found is None else found


def _now_ms() -> int:
    return int(time.time() * 1000)


def shown(value: Any) -> str:
    """Return the value as an error shows it. Python writes no number of more than 4,300 digits."""
    try:
        return repr(value)[:80]
    except Exception:
        return f"of type {type(value).__name__}, too large to show"
