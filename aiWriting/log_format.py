"""Forms of a log line: `LOG_FORMAT`."""

import json
import logging
import os
import re
import sys
from copy import copy
from datetime import UTC, datetime
from typing import Any

from apps.tasks.log_context import TASK_FIELDS
from apps.tasks.one_line import DIRECTIONS

#: Characters that begin a new line, steer a terminal, or change the direction of the text around them.
CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{''.join(sorted(DIRECTIONS))}]")
#: Attributes of every record, and two that libraries add and that repeat others.
USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "request", "color_message"}
#: Words of a terminal for the move that ended an attempt. The others are called by their names.
WORDS = {"complete": "ok", "fail": "failed", "cancel claimed": "cancelled", "snooze": "snoozed", "release": "released"}
RED, YELLOW, GREEN, DIM = 31, 33, 32, 2
#: Attributes of a record about a request, in the order in which lines show them.
REQUEST_FIELDS = ("account", "address", "method", "view")
#: Begins each line of a traceback.
INDENT = "  "
#: Characters of a task's id on a terminal.
SHORT_ID_LENGTH = 8


class ReadableFormatter(logging.Formatter):
    """Indents and escapes the lines of a traceback, whose last ones are texts of others.

    So none of them steers a terminal, and a line without an indent is the first one of a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        # A copy: handlers share the record, and the traceback in it may be one that another formatter has written.
        record = copy(record)
        if record.exc_info:
            record.exc_text = None
        elif record.exc_text:
            record.exc_text = _indented(record.exc_text)
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 (Its name in logging.)
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 (Its name in logging.)
        return _indented(super().formatStack(stack_info))


class LineFormatter(ReadableFormatter):
    """Has timestamps in UTC. It escapes control characters, so that no value in a message forges a line."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 (Its name in logging.)
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (Its name in logging.)
        record.message = escaped(record.message + _context(record))
        return super().formatMessage(record)


class JSONFormatter(logging.Formatter):
    """One object a line: time, level, logger and message, with all that the record has besides."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "pid": record.process,
            "thread": record.threadName,
        }
        line |= {name: value for name, value in vars(record).items() if name not in USUAL and value is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return json.dumps(line, default=_text, allow_nan=False)
        except Exception:  # A key that is no text, a NaN, or a value that contains itself.
            return json.dumps({name: _text(value) for name, value in line.items()})


class TerminalFormatter(ReadableFormatter):
    """Short lines for people, in local time: `20:41:15 ok        documents.process_document 3.8 s 2ad60f39`.

    Parameters:
      coloured: None: if the standard error stream is a terminal, or FORCE_COLOR is set, and NO_COLOR is not.
    """

    def __init__(self, *args: Any, coloured: bool | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.coloured = is_coloured() if coloured is None else coloured

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 (Its name in logging.)
        return datetime.fromtimestamp(record.created).strftime("%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (Its name in logging.)
        known = vars(record)
        outcome: str | None = known.get("outcome")
        if outcome is None:
            word, text = record.levelname.lower(), f"{record.name} {record.message}"
        else:
            word = WORDS.get(outcome, outcome)
            text = f"{known['actor']} {duration(known['ms'])}"
        if task_id := known.get("task_id"):
            text += f" {str(task_id)[:SHORT_ID_LENGTH]}"
        if outcome is not None and (error := known.get("error")):
            text += f" {error}"
        word, text = f"{word:<9}", escaped(text)
        if not self.coloured:
            return f"{self.formatTime(record)} {word} {text}"
        colour = _colour(record, outcome)
        line = f"{_painted(self.formatTime(record), DIM)} "
        if record.levelno >= logging.ERROR:
            return line + _painted(f"{word} {text}", colour)
        return line + f"{_painted(word, colour)} {text}"


#: Formatters by the words of `LOG_FORMAT`.
FORMATTERS = {"text": LineFormatter, "json": JSONFormatter, "terminal": TerminalFormatter}


def default() -> str:
    """Return the format of a process whose environment names none."""
    return "terminal" if _is_terminal() else "text"


def is_coloured() -> bool:
    """Return whether lines have colours: https://no-color.org and https://force-color.org."""
    return not os.environ.get("NO_COLOR") and (bool(os.environ.get("FORCE_COLOR")) or _is_terminal())


def escaped(text: str) -> str:
    return CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _indented(text: str) -> str:
    return "\n".join(f"{INDENT}{escaped(line)}" for line in text.split("\n"))


def duration(ms: float) -> str:
    """Return a duration with its unit: `12 ms`, `3.8 s`, `12 min 5 s`, `3 h 12 min`."""
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1_000:.1f} s"
    minutes, seconds = divmod(int(ms / 1_000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _context(record: logging.LogRecord) -> str:
    """Return task and request of a line, as far as its text does not tell them."""
    known = vars(record)
    is_of_task = known.get("task_id") is not None and "outcome" not in known
    names = (*REQUEST_FIELDS, *(TASK_FIELDS if is_of_task else ()), "request_id")
    return "".join(f" {name}={known[name]}" for name in names if known.get(name) is not None)


def _message(record: logging.LogRecord) -> str:
    """Return the message without the traceback that it ends with."""
    traceback = vars(record).get("traceback")
    message = record.getMessage()
    return message.removesuffix(f"\n{traceback}") if traceback else message


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return type(value).__name__


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # There is none, or it is closed.
        return False


def _colour(record: logging.LogRecord, outcome: str | None) -> int:
    if record.levelno >= logging.ERROR:
        return RED
    if record.levelno >= logging.WARNING:
        return YELLOW
    return GREEN if outcome == "complete" else DIM


def _painted(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"
