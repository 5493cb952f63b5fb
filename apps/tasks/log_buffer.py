"""Log lines of a running attempt, until the writer of its worker writes them."""

import itertools
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

import dramatiq

from apps.tasks import masking
from apps.tasks.conf import conf

#: Bytes of the lines that are kept of an attempt.
MOST_BYTES = 256_000
#: Bytes that count for a line besides its text.
LINE_OVERHEAD = 50


class Line(NamedTuple):
    """A log line.

    Parameters:
      time_ms: Milliseconds since 1970, by the clock of the worker.
      level: Number of its level, as `logging` has it.
      logger: Name of its logger.
      text: Message, and below it the traceback of an exception.
    """

    time_ms: int
    level: int
    logger: str
    text: str

    @property
    def size(self) -> int:
        return LINE_OVERHEAD + (len(self.text) if self.text.isascii() else len(self.text.encode()))


class Part(NamedTuple):
    """Lines that are written at once.

    Parameters:
      first: Number of the first line within the attempt.
      drop_before: Lines before this number are kept no longer. 0: all are.
    """

    first: int
    lines: list[Line]
    drop_before: int

    @property
    def size(self) -> int:
        return sum(line.size for line in self.lines)


def is_kept(actor_name: str) -> bool:
    """Return whether the lines of an actor's tasks are kept."""
    actor = dramatiq.get_broker().actors.get(actor_name)
    return conf.TASK_LOG_LINES > 0 and (actor is None or actor.options.get("keep_logs") is not False)


class Buffer:
    """The newest lines of an attempt that are not written yet. All threads of its task add to it.

    It has no lock: an interrupt may hit a thread that holds one, and the writer would wait for it for ever.

    Parameters:
      message: Dramatiq's message of the attempt.
    """

    def __init__(self, message: Any) -> None:
        self.message = message
        self._numbers = itertools.count()
        #: A list is made ten times as fast as a deque, and most tasks log nothing.
        self._waiting: list[tuple[int, Line]] = []
        #: Size of the lines that wait, nearly: threads may add at once.
        self._size = 0
        self._part: Part | None = None
        self._next_of_child = 0
        #: First number, count and size of the parts that are kept.
        self._kept: list[tuple[int, int, int]] = []

    @cached_property
    def is_on(self) -> bool:
        """Whether the lines of its actor are kept."""
        return is_kept(self.message.actor_name)

    @cached_property
    def _secrets(self) -> list[str]:
        return masking.secret_texts(self.message.actor_name, self.message.args, self.message.kwargs)

    # --- For the task ---

    def add(self, line: Line) -> None:
        """Add a line without the secret arguments of the task. The oldest lines make room for it."""
        if self._secrets:
            line = line._replace(text=masking.without(self._secrets, line.text))
        self._waiting.append((next(self._numbers), line))
        self._size += line.size
        while len(self._waiting) > conf.TASK_LOG_LINES or self._size > MOST_BYTES:
            try:
                self._size -= self._waiting.pop(0)[1].size
            except IndexError:  # The writer has taken them.
                self._size = 0

    def extend(self, numbered: Iterable[tuple[int, Line]]) -> None:
        """Add lines that a child has sent, with the numbers that they have there. It may have dropped some."""
        for number, line in numbered:
            for _ in range(number - self._next_of_child):
                next(self._numbers)
            self._next_of_child = number + 1
            self.add(line)

    # --- For the writer ---

    @property
    def has_news(self) -> bool:
        return bool(self._waiting) or self._part is not None

    def take(self) -> list[tuple[int, Line]]:
        """Return the lines that wait, with their numbers, and forget them."""
        taken = []
        while self._waiting:
            try:
                taken.append(self._waiting.pop(0))
            except IndexError:
                break
        self._size = 0
        return taken

    def part(self) -> Part | None:
        """Return what is to be written. It stays the same until `note_written`. None: nothing."""
        if self._part is None and (taken := self.take()):
            part = Part(taken[0][0], [line for _, line in taken], 0)
            self._kept.append((part.first, len(part.lines), part.size))
            self._part = part._replace(drop_before=first) if (first := self._drop()) else part
        return self._part

    def note_written(self) -> None:
        """Forget the part that `part` returned."""
        self._part = None

    def _drop(self) -> int:
        """Forget the written parts that are kept no longer. Return the first number of the others. 0: all are kept."""
        count, size = (sum(part[place] for part in self._kept) for place in (1, 2))
        first = 0
        while len(self._kept) > 1:
            _, lines, bytes_ = self._kept[0]
            count, size = count - lines, size - bytes_
            if count < conf.TASK_LOG_LINES and size < MOST_BYTES:
                break
            self._kept.pop(0)
            first = self._kept[0][0]
        return first
