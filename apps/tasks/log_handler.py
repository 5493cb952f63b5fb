"""Gives the log lines of tasks to their attempts."""

import logging
import threading
import traceback
from typing import Any

from apps.tasks import progress
from apps.tasks.conf import conf
from apps.tasks.json_safe import clean_text
from apps.tasks.log_buffer import Line

#: Characters of a line. The middle of a longer one is left out, since a traceback ends with its error.
LINE_LENGTH = 8_000
#: Characters of the name of a logger, from its end.
NAME_LENGTH = 100
#: Frames of a traceback, the last ones.
FRAME_LIMIT = 30


class LogHandler(logging.Handler):
    """Adds each record to the log of the attempt that emitted it, in memory. Other records are not looked at.

    It takes no lock for a record, since it shares nothing.
    """

    def __init__(self) -> None:
        super().__init__(level=conf.TASK_LOG_LEVEL)
        self._busy = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        passed = self.filter(record)
        if passed:
            # Since Python 3.12 a filter may answer another record in place of this one.
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        reporter = progress.current()
        buffer = None if reporter is None else reporter.log
        if buffer is not None and buffer.is_on and not getattr(self._busy, "here", False):
            # A value that logs while it is written into a line must not do so for ever.
            self._busy.here = True
            try:
                buffer.add(_line(record))
            finally:
                self._busy.here = False
        if not _has_another(logging.getLogger(record.name), self):
            # Without this handler Python would show the line, since there is no other.
            last = logging.lastResort
            if last is not None and record.levelno >= last.level:
                last.handle(record)


def _line(record: logging.LogRecord) -> Line:
    try:
        text = record.getMessage()
    except Exception as error:  # Too few values, or one of a class of its own that raises.
        text = f"{record.msg!s:.{LINE_LENGTH}} [{type(error).__name__} while its values were put in]"
    if record.exc_info and record.exc_info[0] is not None:
        text = f"{text}\n{_traceback(record.exc_info)}"
    elif record.exc_text:
        text = f"{text}\n{record.exc_text}"
    if record.stack_info:
        text = f"{text}\n{record.stack_info}"
    return Line(
        int(record.created * 1000), int(record.levelno), clean_text(str(record.name)[-NAME_LENGTH:]), _cut(text)
    )


def _traceback(exc_info: Any) -> str:
    try:
        return "".join(traceback.format_exception(*exc_info, limit=-FRAME_LIMIT)).rstrip("\n")
    except Exception:
        return getattr(exc_info[0], "__name__", "error")


def _cut(text: str) -> str:
    if len(text) > LINE_LENGTH:
        half = LINE_LENGTH // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters …\n{text[-half:]}"
    return clean_text(text)


def _has_another(logger: logging.Logger | None, handler: logging.Handler) -> bool:
    """Return whether a record of the logger reaches a handler besides that one."""
    while logger is not None:
        if any(one is not handler for one in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


_installed: list[LogHandler] = []


def install() -> None:
    """Begin to keep the lines of the tasks of this process, if the settings want any."""
    if conf.TASK_LOG_LINES > 0 and not _installed:
        _installed.append(LogHandler())
        logging.getLogger().addHandler(_installed[0])


def remove() -> None:
    """End it."""
    while _installed:
        logging.getLogger().removeHandler(_installed.pop())
