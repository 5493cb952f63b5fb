"""An exception as a row keeps it. Everything of an exception is code of others: it may raise, and have any size."""

import traceback as tracebacks
from dataclasses import dataclass, replace
from typing import Any, Final

from apps.tasks import masking
from apps.tasks.json_safe import clean_text

#: Characters of an error message that are kept.
MESSAGE_LIMIT = 10_000
#: Characters of the dotted name of its class that are kept.
TYPE_LIMIT = 255
#: Frames that are kept of each exception in a traceback: the last ones, where it was raised.
FRAME_LIMIT = 30
#: Characters of an entry of a traceback that are kept: a frame, or the line with the message.
ENTRY_LIMIT = 1_000
#: Characters of a traceback that are kept, from its end.
TRACEBACK_LIMIT = 50_000

# The slots themselves: a class may override the attributes.
_MODULE: Final[Any] = type.__dict__["__module__"]
_QUALIFIED_NAME: Final[Any] = type.__dict__["__qualname__"]
_TRACEBACK: Final[Any] = BaseException.__dict__["__traceback__"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Texts of an exception, bounded and clean.

    Parameters:
      error_type: Dotted name of its class. That of a built-in class has no module.
      error_message: Its text, or the name of its class if it has none.
      traceback: Its last frames, and those of its causes.
    """

    error_type: str
    error_message: str
    traceback: str

    @classmethod
    def of(cls, exception: BaseException) -> "Failure":
        """Return the texts of any exception. It never raises."""
        message = _message(exception)
        return cls(error_type=_type(exception), error_message=message, traceback=_traceback(exception, message=message))

    def without(self, secrets: list[str]) -> "Failure":
        """Return the texts with a mark in place of each of the secrets."""
        if not secrets:
            return self
        message, traceback = (masking.without(secrets, text) for text in (self.error_message, self.traceback))
        return replace(self, error_message=message[:MESSAGE_LIMIT], traceback=traceback[-TRACEBACK_LIMIT:])


def _name(exception: BaseException) -> str:
    return clean_text(str.__str__(_QUALIFIED_NAME.__get__(type(exception))))


def _type(exception: BaseException) -> str:
    module, name = _MODULE.__get__(type(exception)), _name(exception)
    if isinstance(module, str) and module != "builtins":
        name = f"{clean_text(module)}.{name}"
    return name[-TYPE_LIMIT:]


def _message(exception: BaseException) -> str:
    try:
        # A text of a class of its own becomes a plain one.
        text = str.__str__(str(exception))
    except BaseException:
        text = ""
    return clean_text(_cut(text, MESSAGE_LIMIT)) or _name(exception).rpartition(".")[2][:MESSAGE_LIMIT]


def _traceback(exception: BaseException, *, message: str) -> str:
    frames = _TRACEBACK.__get__(exception)
    try:
        told = tracebacks.TracebackException(type(exception), exception, frames, limit=-FRAME_LIMIT, compact=True)
        text = "".join(_entry(entry) for entry in told.format())
    except BaseException:  # `traceback` trusts the exception: a `SyntaxError` whose column is a text, a `__cause__`.
        text = _frames(frames) + _entry(f"{_type(exception)}: {message}\n")
    return clean_text(text[-TRACEBACK_LIMIT:])


def _frames(frames: Any) -> str:
    try:
        return "".join(_entry(entry) for entry in tracebacks.format_tb(frames, limit=-FRAME_LIMIT))
    except BaseException:  # A module may load its source by code of its own.
        return ""


def _entry(text: str) -> str:
    return f"{_cut(text[:-1], ENTRY_LIMIT)}\n"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
