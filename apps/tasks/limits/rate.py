"""Rates, such as "10/m". Nothing here needs Django."""

import re
from typing import NamedTuple

from apps.tasks.errors import TaskError

UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
PATTERN = re.compile(r"([0-9]{1,6})/([0-9]{0,5})([smhd])")
#: Places of a limit and starts in one stretch, at most: an admission counts them.
MOST = 100_000
#: Longest stretch, in milliseconds. A week: rows of ended tasks are deleted some day.
LONGEST_MS = 7 * UNITS_MS["d"]


#: The valid forms, in words.
FORMS = (
    "a number of tasks and a time in s, m, h or d, such as '10/s', '100/m', '1000/h', '5000/d' or '5/30s': "
    f"1 to {MOST:,} tasks in at most 7 days"
)


class BadRateError(TaskError, ValueError):
    """The text is no rate."""


class Rate(NamedTuple):
    """A number of starts in any stretch of time of that length: a sliding window.

    Parameters:
      tasks: Sum of the weights of the tasks that may start.
      window_ms: Length of the stretch, in milliseconds.
    """

    tasks: int
    window_ms: int

    @classmethod
    def of(cls, text: object) -> "Rate":
        """Return the rate that a text says.

        Raises:
          BadRateError: The text is no rate.
        """
        found = PATTERN.fullmatch(text) if isinstance(text, str) else None
        if found:
            tasks, window_ms = int(found[1]), int(found[2] or 1) * UNITS_MS[found[3]]
            if 0 < tasks <= MOST and 0 < window_ms <= LONGEST_MS:
                return cls(tasks, window_ms)
        raise BadRateError(f"{text!r} is no rate, must be {FORMS}")
