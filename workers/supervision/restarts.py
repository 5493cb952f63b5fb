"""Pauses between the deaths of a child and its replacements."""

import time
from collections import deque

#: Seconds of life after which a child's earlier deaths no longer count.
PROVEN_SECONDS = 30.0
#: Seconds before the second replacement in a row. They double up to the longest pause. The first comes at once.
SHORTEST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


def pause_seconds(early_deaths: int) -> float:
    """Return the seconds to wait before a replacement, by the number of deaths in a row: 0, 0.5, 1, 2 ... 30."""
    if early_deaths <= 1:
        return 0.0
    return float(min(SHORTEST_PAUSE_SECONDS * 2 ** min(early_deaths - 2, 16), LONGEST_PAUSE_SECONDS))


class Restarts:
    """The deaths of one child, and the time of its next start."""

    def __init__(self) -> None:
        #: Time of the next start, by the monotonic clock. None: no start is planned.
        self.due_at: float | None = None
        self._early_deaths = 0
        self._recent: deque[float] = deque()

    def plan(self, *, started_at: float) -> float:
        """Note a death and plan the replacement. Return the pause before it, in seconds.

        Parameters:
          started_at: Start of the process that died, by the monotonic clock.
        """
        now = time.monotonic()
        self._early_deaths = 1 if now - started_at >= PROVEN_SECONDS else self._early_deaths + 1
        self._recent.append(now)
        while self._recent and self._recent[0] < now - PROVEN_SECONDS:
            self._recent.popleft()
        pause = pause_seconds(self._early_deaths)
        self.due_at = now + pause
        return pause

    def renew(self) -> None:
        """Plan a start at once. The process before ended as planned, which is no death."""
        self.due_at = time.monotonic()

    def cancel(self) -> None:
        """Plan no start."""
        self.due_at = None

    @property
    def is_due(self) -> bool:
        """Whether the planned start is due."""
        return self.due_at is not None and self.due_at <= time.monotonic()

    @property
    def recent_deaths(self) -> int:
        """Number of deaths within the last `PROVEN_SECONDS`."""
        return len(self._recent)
