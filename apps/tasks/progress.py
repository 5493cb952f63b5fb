"""Progress inside an actor.

    from apps.tasks import progress

    progress.set(25, "Reading chapter 3")
    progress.advance()
    for chapter in progress.track(chapters, "Chapters"): ...

Reporting never fails the task, never goes backwards within an attempt, and costs about a microsecond:
the value is kept in memory, and the worker's writer carries it to the row within half a second, however
often it is called. Outside a worker it does nothing, so a service that reports can be called anywhere.
"""

import builtins
import math
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from typing import TypeVar

from apps.tasks.json_safe import clean_text

T = TypeVar("T")

#: A longer text is cut. The column holds no more.
TEXT_MAX_LENGTH = 255


class Reporter:
    """What one attempt has reported so far. The writer looks at `has_news` from time to time."""

    __slots__ = ("done", "end", "has_news", "percent", "start", "text", "total")

    def __init__(self) -> None:
        self.percent = 0.0
        self.text = ""
        self.start, self.end = 0.0, 100.0
        self.total: float = 100.0
        self.done: float = 0.0
        self.has_news = False

    def report(self, percent: float | None, text: str | None) -> None:
        if percent is not None and percent > self.percent:
            self.percent = percent
            self.has_news = True
        if text is not None and text != self.text:
            self.text = str(text)[:TEXT_MAX_LENGTH]
            self.has_news = True

    def take(self) -> tuple[int, str]:
        """The whole percent and the text, as news that is now known."""
        self.has_news = False
        return int(self.percent), clean_text(self.text)


_current: ContextVar[Reporter | None] = ContextVar("aiwriting_progress", default=None)


def bind(reporter: Reporter) -> Token[Reporter | None]:
    """Let the functions below speak for `reporter` in this context. The worker does this for each attempt."""
    return _current.set(reporter)


def unbind() -> None:
    _current.set(None)


def set(percent: float, text: str | None = None) -> None:
    """Say how far the task is.

    Parameters:
      percent: 0 to 100; beyond that it is cut. Less than was reported before changes the text only.
      text: What it is doing, at most 255 characters. None leaves what was said.
    """
    reporter = _current.get()
    if reporter is None:
        return
    try:
        value = float(percent)
        reporter.report(None if math.isnan(value) else min(max(value, 0.0), 100.0), text)
    except (TypeError, ValueError, OverflowError):
        reporter.report(None, text)


def begin(total: float, text: str | None = None, *, start: float = 0, end: float = 100) -> None:
    """Say how many steps `advance` will count, and which part of the whole they are.

    Parameters:
      total: The number of steps; fewer than one counts as one.
      start, end: The percents at which the steps begin and end.
    """
    reporter = _current.get()
    if reporter is None:
        return
    reporter.total, reporter.done = builtins.max(float(total), 1.0), 0.0
    reporter.start, reporter.end = float(start), float(end)
    set(start, text)


def advance(steps: float = 1, text: str | None = None) -> None:
    """Count steps on. Without `begin`, a step is one percent."""
    reporter = _current.get()
    if reporter is None:
        return
    reporter.done += steps
    share = reporter.done / reporter.total
    set(reporter.start + (reporter.end - reporter.start) * share, text)


def track(
    items: Iterable[T], text: str = "", *, total: int | None = None, start: float = 0, end: float = 100
) -> Iterator[T]:
    """Go through `items` and report after each one, as "Chapters: 3 of 61".

    Parameters:
      items: Anything that can be gone through. What has no length needs `total`, else only the text moves.
      text: What the items are.
      start, end: The percents at which the loop begins and ends.
    """
    if total is None:
        try:
            total = len(items)  # type: ignore[arg-type]
        except TypeError:
            total = None
    for index, item in enumerate(items, start=1):
        yield item
        if total:
            label = f"{text}: {index} of {total}" if text else f"{index} of {total}"
            set(start + (end - start) * index / total, label)
        else:
            set(start, f"{text}: {index}" if text else str(index))
