"""Limits of an isolated task, as its actor declares them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dramatiq.middleware import MiddlewareError

from apps.tasks.errors import TaskError
from workers.sending.times import LONGEST_MS, rounded_up, shown

#: Options that say a limit. Each implies `isolate`.
LIMITS = ("hard_time_limit", "memory_limit", "cpu_limit")

#: Bytes of each unit of memory.
UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
#: Smallest `memory_limit`. A child takes about a third of it before it does anything.
SMALLEST_MEMORY_BYTES = 32 * 10**6
LARGEST_MEMORY_BYTES = 10**15
#: Longest `cpu_limit`, in seconds: ten years.
LONGEST_CPU_SECONDS = LONGEST_MS / 1000

_MEMORY = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*([A-Za-z]{1,3})", re.ASCII)
_BY_LOWER = {name.lower(): name for name in UNITS}


class BadIsolationError(TaskError, MiddlewareError, ValueError):
    """documents.read has memory_limit='much', must be a size such as "512 MB" or "2 GiB", or a number of bytes"""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of an isolated task. None: no limit.

    Parameters:
      hard_ms: Milliseconds after which its processes are killed.
      memory_bytes: Memory of its processes together.
      memory_text: The same, as the actor says it.
      cpu_seconds: Processor time of its processes together.
    """

    hard_ms: int | None = None
    memory_bytes: int | None = None
    memory_text: str = ""
    cpu_seconds: float | None = None

    @property
    def are_watched(self) -> bool:
        """Whether the processes must be looked at while they run."""
        return self.memory_bytes is not None or self.cpu_seconds is not None


def limits_of(actor_name: str, options: Mapping[str, Any]) -> Limits | None:
    """Return the limits of an actor. None: it is not isolated.

    Raises:
      BadIsolationError: An option has a wrong value, or two do not go together.
    """
    given = [name for name in LIMITS if options.get(name) is not None]
    if not given and not options.get("isolate"):
        return None
    if given and options.get("isolate") is False:
        raise BadIsolationError(f"{actor_name} has isolate=False and {given[0]}, which is held in a child process only")
    hard_ms = _hard_ms(actor_name, options.get("hard_time_limit"))
    soft_ms = options.get("time_limit")
    if hard_ms is not None and soft_ms is not None and soft_ms != math.inf and hard_ms < soft_ms:
        raise BadIsolationError(
            f"{actor_name} has hard_time_limit={hard_ms:_} and time_limit={soft_ms:_}, in milliseconds: the hard limit "
            "must not be below the soft one, which lets the task tidy up"
        )
    memory_bytes, memory_text = _memory(actor_name, options.get("memory_limit"))
    return Limits(
        hard_ms=hard_ms,
        memory_bytes=memory_bytes,
        memory_text=memory_text,
        cpu_seconds=_cpu_seconds(actor_name, options.get("cpu_limit")),
    )


def _hard_ms(actor_name: str, value: Any) -> int | None:
    if value is None:
        return None
    milliseconds = rounded_up(value) if isinstance(value, timedelta) else value
    if type(milliseconds) is int and 0 < milliseconds <= LONGEST_MS:
        return milliseconds
    raise BadIsolationError(
        f"{actor_name} has hard_time_limit={shown(value)}, must be whole milliseconds or a timedelta, above 0 and at "
        "most ten years: hard_time_limit=30_000"
    )


def _cpu_seconds(actor_name: str, value: Any) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if type(seconds) in (int, float) and 0 < seconds <= LONGEST_CPU_SECONDS:
        return float(seconds)
    raise BadIsolationError(
        f"{actor_name} has cpu_limit={shown(value)}, must be seconds or a timedelta, above 0 and at most ten years: "
        "cpu_limit=60"
    )


def _memory(actor_name: str, value: Any) -> tuple[int | None, str]:
    if value is None:
        return None, ""
    found = value if type(value) is int else None
    if isinstance(value, str) and (match := _MEMORY.fullmatch(value.strip())):
        unit = _BY_LOWER.get(match[2].lower())
        found = None if unit is None else round(float(match[1]) * UNITS[unit])
    if found is None:
        raise BadIsolationError(
            f'{actor_name} has memory_limit={shown(value)}, must be a size such as "512 MB" or "2 GiB", or a number of '
            f"bytes. The units are {', '.join(UNITS)}"
        )
    if not SMALLEST_MEMORY_BYTES <= found <= LARGEST_MEMORY_BYTES:
        raise BadIsolationError(
            f"{actor_name} has memory_limit={shown(value)}, must be from {in_units(SMALLEST_MEMORY_BYTES)}, of which a "
            f"process takes a part before it does anything, to {in_units(LARGEST_MEMORY_BYTES)}"
        )
    return found, value.strip() if isinstance(value, str) else in_units(found)


def in_units(size_bytes: float) -> str:
    """Return a size for people, in decimal units."""
    for unit in ("GB", "MB"):
        if size_bytes >= UNITS[unit]:
            number = size_bytes / UNITS[unit]
            return f"{number:.1f} {unit}".replace(".0 ", " ") if number < 10 else f"{number:,.0f} {unit}"
    return f"{size_bytes / UNITS['kB']:,.0f} kB"
