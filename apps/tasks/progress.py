"""Progress inside an actor.

    from apps.tasks import progress

    progress.set(25, "Reading chapter 3")
    progress.advance()
    for chapter in progress.track(chapters, "Chapters"): ...

Reporting never fails the task, never goes backwards within an attempt, and costs about a microsecond. The value stays
in memory until the worker's writer carries it to the row, within half a second. Outside a worker nothing happens, so
services may report wherever they are called. The same goes for a thread that a task starts: give it `carry(function)`.

Once the task is cancelled, these functions raise `Cancelled`. A section that must not be cut in two is shielded:

    with progress.shielded():
        charge(order)
"""

import builtins
import math
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from django.utils.translation import gettext

from apps.tasks.errors import Cancelled
from apps.tasks.json_safe import clean_text

__all__ = ["Cancelled", "advance", "begin", "bind", "carry", "current", "set", "shielded", "track", "unbind"]

T = TypeVar("T")
P = ParamSpec("P")

#: Size of the column, in characters. A longer text is cut.
TEXT_MAX_LENGTH = 255


class Stoppable(Protocol):
    """How a running attempt learns that it is cancelled."""

    is_requested: bool

    def check(self) -> None: ...
    def enter_section(self) -> None: ...
    def leave_section(self) -> None: ...


class Reporter:
    """Progress that one attempt has reported so far. The writer polls `has_news`."""

    __slots__ = ("cancellation", "done", "end", "has_news", "log", "message", "percent", "start", "text", "total")

    def __init__(self, cancellation: Stoppable | None = None, *, message: Any = None) -> None:
        #: Dramatiq's message of the attempt. None: a test has no message.
        self.message = message
        #: Buffer of the attempt's log lines. None: there is none.
        self.log: Any = None
        #: None: the attempt cannot be cancelled.
        self.cancellation = cancellation
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
        if text is not None:
            told = _text(text)
            if told != self.text:
                self.text = told
                self.has_news = True

    def take(self) -> tuple[int, str]:
        """Return the whole percent and the text, and clear `has_news`."""
        self.has_news = False
        return int(self.percent), clean_text(self.text)


_current: ContextVar[Reporter | None] = ContextVar("aiwriting_progress", default=None)


def _number(value: object, default: float) -> float:
    """Return the value as a float, or the default: reporting never fails the task."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except Exception:
        return default
    return default if math.isnan(number) else number


def _text(value: object) -> str:
    try:
        return str(value)[:TEXT_MAX_LENGTH]
    except Exception:
        return type(value).__name__


def bind(reporter: Reporter) -> Token[Reporter | None]:
    """Make `reporter` the target of the functions below in this context. The worker does this for each attempt."""
    return _current.set(reporter)


def unbind() -> None:
    _current.set(None)


def current() -> Reporter | None:
    """Return the reporter of this context. None: outside a worker."""
    return _current.get()


class shielded:  # noqa: N801 - Used like a function.
    """Let a section of the task run to its end though the task is cancelled. `Cancelled` is raised after it.

        with progress.shielded():
            charge(order)

    Sections may be nested. Keep them short: a cancelled task is cancelled once they have ended.

    Raises:
      Cancelled: After the section, or before it if the task is cancelled by then.
    """

    __slots__ = ("_cancellation",)

    def __enter__(self) -> None:
        reporter = _current.get()
        self._cancellation = None if reporter is None else reporter.cancellation
        if self._cancellation is not None:
            self._cancellation.enter_section()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        cancellation = self._cancellation
        if cancellation is not None:
            cancellation.leave_section()
            if kind is None and cancellation.is_requested:
                cancellation.check()


def carry(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function, bound to the running attempt, for a thread of the task's own.

        with ThreadPoolExecutor() as pool:
            pool.map(progress.carry(read_page), pages)

    Python starts threads without the context of their starter, so what they report would not arrive.
    `asyncio.to_thread` and `sync_to_async` carry the context themselves.
    """
    reporter = _current.get()

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        token = _current.set(reporter)
        try:
            return function(*args, **kwargs)
        finally:
            _current.reset(token)

    return run


def set(percent: float, text: str | None = None) -> None:
    """Report the percent done.

    Parameters:
      percent: 0 to 100. Values beyond are cut. A lower percent than the last one changes the text only.
      text: Current step, at most 255 characters. None keeps the last text.

    Raises:
      Cancelled: The task is cancelled.
    """
    reporter = _current.get()
    if reporter is None:
        return
    value = _number(percent, math.nan)
    reporter.report(None if math.isnan(value) else min(max(value, 0.0), 100.0), text)
    if reporter.cancellation is not None and reporter.cancellation.is_requested:
        reporter.cancellation.check()


def begin(total: float, text: str | None = None, *, start: float = 0, end: float = 100) -> None:
    """Announce the number of steps that `advance` will count, and their share of the whole.

    Parameters:
      total: Number of steps. Fewer than one counts as one.
      start, end: Percents at which the steps begin and end.
    """
    reporter = _current.get()
    if reporter is None:
        return
    reporter.total, reporter.done = builtins.max(_number(total, 1.0), 1.0), 0.0
    reporter.start, reporter.end = _number(start, 0.0), _number(end, 100.0)
    set(reporter.start, text)


def advance(steps: float = 1, text: str | None = None) -> None:
    """Count steps. Without `begin`, a step is one percent."""
    reporter = _current.get()
    if reporter is None:
        return
    reporter.done += _number(steps, 0.0)
    share = reporter.done / reporter.total
    set(reporter.start + (reporter.end - reporter.start) * share, text)


def track(
    items: Iterable[T], text: str = "", *, total: int | None = None, start: float = 0, end: float = 100
) -> Iterator[T]:
    """Yield the items and report after each one, as "Chapters: 3 of 61".

    Parameters:
      items: Any iterable. One without a length needs `total`, else only the text moves.
      text: Name of the items.
      start, end: Percents at which the loop begins and ends.
    """
    if _current.get() is None:
        yield from items
        return
    if total is None:
        try:
            total = len(items)  # type: ignore[arg-type]
        except TypeError:
            total = None
    elif not 0 < _number(total, 0.0) < math.inf:
        total = None
    prefix = f"{_text(text)}: " if text else ""
    label = gettext("%(done)s of %(total)s") if total else ""
    first, last = _number(start, 0.0), _number(end, 100.0)
    for index, item in enumerate(items, start=1):
        yield item
        if total:
            set(first + (last - first) * index / total, prefix + label % {"done": index, "total": total})
        else:
            set(first, f"{prefix}{index}")
