"""Errors of a Redis that is away, or that answers and cannot do its work."""

import re
from collections.abc import Callable
from types import TracebackType

import redis

from apps.tasks.errors import TaskError

#: redis-py's time-out is no ConnectionError. Both mean that the command may not have happened.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)

#: Codes of answers about the server: every other command would be refused as well.
SERVER_CODES = frozenset(
    {
        # Another server is the primary now, or will be. A new connection may lead there.
        "READONLY", "LOADING", "MASTERDOWN", "UNBLOCKED", "NOREPLICAS",
        "CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN", "CROSSSLOT",
        # It refuses us.
        "NOAUTH", "WRONGPASS", "NOPERM", "DENIED",
        # It cannot write or run anything just now.
        "OOM", "MISCONF", "BUSY", "UNKILLABLE", "EXECABORT", "NOSCRIPT",
    }
)  # fmt: skip
#: Those that say that the data are all there. The messages need not be looked through afterwards.
REFUSALS = frozenset({"NOAUTH", "WRONGPASS", "NOPERM", "OOM", "MISCONF", "BUSY", "UNKILLABLE", "EXECABORT", "NOSCRIPT"})

_WORD = re.compile(r"\b[A-Z]{3,}\b")


class RefusedError(TaskError, redis.ConnectionError):
    """Redis answered with an error about itself, not about the command.

    It is a ConnectionError: the connection is of no use, and the command is to be tried again on a new one.

    Parameters:
      code: First word of the answer, such as READONLY.
    """

    def __init__(self, text: str, *, code: str) -> None:
        super().__init__(text)
        self.code = code


def code_of(error: Exception) -> str:
    """Return the code of an answer about the server. Empty: it is about the command, or no answer at all."""
    if not isinstance(error, redis.ResponseError):
        return ""
    status: str = getattr(error, "status_code", None) or ""
    # redis-py cuts known codes off the text. A script's error has the code within the text before Redis 7.
    words = [status, *_WORD.findall(str(error))]
    return next((word for word in words if word in SERVER_CODES), "")


def translated(error: Exception) -> Exception:
    """Return a RefusedError for an answer about the server, and any other error as it is."""
    code = code_of(error)
    if not code:
        return error
    text = str(error)
    return RefusedError(text if code in text else f"{code} {text}", code=code)


def may_have_lost_data(error: Exception) -> bool:
    """Return whether Redis may be another one, or an emptier one, when it answers again."""
    return (getattr(error, "code", "") or getattr(error, "status_code", "")) not in REFUSALS


class Guard:
    """A block around commands: an answer about the server becomes a RefusedError there.

    Parameters:
      drop: Closes the idle connections. It is called when Redis is away, is another one or refuses us, so that its
        address is resolved anew.
    """

    def __init__(self, drop: Callable[[], object]) -> None:
        self.drop = drop

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, redis.RedisError):
            found = translated(error)
            if isinstance(found, UNREACHABLE):
                self.drop()
            if found is not error:
                raise found from error
