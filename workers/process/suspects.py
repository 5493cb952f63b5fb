"""Suspects: tasks whose worker died while it held them, and which of them may run at once."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dramatiq import Message

from workers.process.attempt import Attempt

#: Multiple of its longest run that ended with the death of its worker, after which a suspect is cleared.
CLEAR_FACTOR = 2.0
#: Seconds after which it is cleared at the earliest.
CLEAR_SECONDS = 1.0
#: Seconds after which it is cleared at the latest.
CLEAR_SECONDS_LIMIT = 30.0


def seconds_to_clear(longest_deadly_seconds: float) -> float:
    """Return the seconds after which a running suspect no longer keeps others from starting."""
    return min(max(CLEAR_SECONDS, CLEAR_FACTOR * longest_deadly_seconds), CLEAR_SECONDS_LIMIT)


@dataclass
class Suspect:
    """A suspect that waits to be claimed.

    Parameters:
      clear_seconds: Seconds after which it is cleared. None: never, as the next crash would fail it as poison.
    """

    message: Message[Any]
    clear_seconds: float | None
    #: A repeated claim uses it again.
    claim_id: uuid.UUID = field(default_factory=uuid.uuid4)


class Suspects:
    """The suspects that run in this process.

    One may start when all that run are cleared. One on its last chance runs beside no other suspect, so that a death
    is its own.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: Running suspects, with the seconds after which each is cleared.
        self._running: dict[Attempt, float | None] = {}
        self._is_starting = False

    def begin(self, clear_seconds: float | None) -> bool:
        """Reserve the right to start a suspect. If the result is true, `start` or `give_up` must follow."""
        with self._lock:
            is_refused = clear_seconds is None and bool(self._running)
            if self._is_starting or is_refused or not all(map(self._is_cleared, self._running)):
                return False
            self._is_starting = True
            return True

    def start(self, attempt: Attempt, clear_seconds: float | None) -> None:
        """Add a suspect. It counts until `end`."""
        with self._lock:
            self._running[attempt] = clear_seconds
            self._is_starting = False

    def give_up(self) -> None:
        """Give up the right to start a suspect."""
        with self._lock:
            self._is_starting = False

    def end(self, attempt: Attempt) -> None:
        with self._lock:
            self._running.pop(attempt, None)

    def _is_cleared(self, attempt: Attempt) -> bool:
        seconds = self._running[attempt]
        return seconds is not None and attempt.started is not None and self._clock() - attempt.started > seconds
