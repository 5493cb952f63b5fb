"""Log lines of tasks: written by their workers, read by pages and the terminal."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Max, Q

from apps.tasks.conf import conf
from apps.tasks.log_buffer import MOST_BYTES, Line, Part
from apps.tasks.models import TaskLogPart, TaskStatus
from apps.tasks.statements import of_this_database

#: Bytes of lines from which they are written in several statements.
CHUNK_BYTES = 4_000_000
#: Levels from which a line counts as one of these.
LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (0, "DEBUG"))


class ShownLine(NamedTuple):
    """A log line as people see it.

    Parameters:
      number: Its number within the attempt, from 0.
      level: Name of the level, one of `logging`'s own five.
      text: Plain text of several lines. It may have characters that steer a terminal.
    """

    number: int
    time: datetime
    level: str
    logger: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Log:
    """Lines of one attempt, the oldest first.

    Parameters:
      dropped: Older lines of the attempt that are not kept.
      left_out: Older lines that are kept, and not here because of the limit.
      cursor: Number of the last line that is known. `of(..., after=cursor)` returns those that follow.
    """

    attempt: int
    lines: list[ShownLine]
    dropped: int
    left_out: int
    cursor: int


def attempts_of(task: TaskStatus) -> list[int]:
    """Return the attempts of a task that have log lines, the newest first."""
    found = TaskLogPart.objects.filter(task_id=task.pk).values_list("attempt", flat=True)
    return list(found.distinct().order_by("-attempt"))


def of(task: TaskStatus, attempt: int | None = None, after: int | None = None, *, limit: int | None = None) -> Log:
    """Return the newest lines of an attempt.

    Parameters:
      attempt: None: the newest attempt that has lines, else the current one.
      after: Only lines with a higher number. None: all that are kept.
      limit: Number of lines at most, the newest. None: all that are kept.
    """
    parts = TaskLogPart.objects.filter(task_id=task.pk)
    if attempt is None:
        newest: int | None = parts.aggregate(newest=Max("attempt"))["newest"]
        attempt = task.attempt if newest is None else newest
    rows = list(parts.filter(attempt=attempt).order_by("-first").values_list("first", "count", "lines"))
    found: list[tuple[int, Line]] = []
    size = 0
    for first, count, text in rows:
        if after is not None and first + count - 1 <= after:
            break
        lines = [Line(*values) for values in json.loads(text)]
        for number, line in reversed(list(enumerate(lines, first))):
            size += line.size
            if len(found) >= conf.TASK_LOG_LINES or size > MOST_BYTES or (after is not None and number <= after):
                break
            found.append((number, line))
    found.reverse()
    last = rows[0][0] + rows[0][1] - 1 if rows else -1
    dropped = found[0][0] - (0 if after is None else after + 1) if found else 0
    left_out = max(len(found) - limit, 0) if limit is not None else 0
    return Log(
        attempt=attempt,
        lines=[_shown(number, line) for number, line in found[left_out:]],
        dropped=dropped,
        left_out=left_out,
        cursor=last if after is None else max(last, after),
    )


def _shown(number: int, line: Line) -> ShownLine:
    level = next(name for least, name in LEVELS if line.level >= least or not least)
    return ShownLine(number, datetime.fromtimestamp(line.time_ms / 1000, UTC), level, line.logger, line.text)


# --- For workers ---


def write(parts: Sequence[tuple[int, int, Part]]) -> None:
    """Write lines, and delete those that are kept no longer.

    Parameters:
      parts: Row id and attempt of each part.
    """
    for chunk in _chunks(parts):
        rows = [(row_id, attempt, part.first, part.lines) for row_id, attempt, part in chunk]
        # The answer to an earlier try may have been lost: a part that is there stays.
        of_this_database().insert_lines(json.dumps(rows, ensure_ascii=False, separators=(",", ":")))
    if old := [(row_id, attempt, part.drop_before) for row_id, attempt, part in parts if part.drop_before]:
        TaskLogPart.objects.filter(_any_of(old)).delete()


def _any_of(old: Iterable[tuple[int, int, int]]) -> Q:
    wanted = Q()
    for row_id, attempt, first in old:
        wanted |= Q(task_id=row_id, attempt=attempt, first__lt=first)
    return wanted


def _chunks(parts: Sequence[tuple[int, int, Part]]) -> Iterator[list[tuple[int, int, Part]]]:
    """Yield the parts in groups that one statement may have."""
    chunk: list[tuple[int, int, Part]] = []
    size = 0
    for one in parts:
        chunk.append(one)
        size += one[2].size
        if size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
