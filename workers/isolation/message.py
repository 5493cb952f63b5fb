"""Messages between a worker process, a keeper and a child, as pickles over sockets.

A child runs the project's own code with the rights of its worker process, so a pickle of it is no worse than that code.
"""
# ruff: noqa: S301

import pickle
from typing import Any, NamedTuple

from dramatiq.threading import Interrupt

from apps.tasks.errors import ChildError
from apps.tasks.log_buffer import Line
from apps.tasks.values import Claim, Frame
from workers.isolation.limits import Limits
from workers.process.failure import Failure


class Job(NamedTuple):
    """Everything that a child needs to run the function of an attempt.

    Parameters:
      message: Dramatiq's message, as a dict.
      started: Start of the attempt, by the monotonic clock, which all processes share.
    """

    actor_name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    message: dict[str, Any]
    claim: Claim
    owner_id: Any
    line: str | None
    started: float
    limits: Limits


class Interruption(NamedTuple):
    """Raise an exception of this class in the function."""

    kind: type[BaseException]


class StackWanted(NamedTuple):
    """Send the stack of the function."""


class Stack(NamedTuple):
    """Stack of the function, the outermost frame first."""

    frames: list[Frame]


class Started(NamedTuple):
    """The child runs. Its pid is that of its session and its process group, too."""

    pid: int


class Reported(NamedTuple):
    """Latest progress of the function."""

    percent: int
    text: str


class Logged(NamedTuple):
    """Lines that the function has logged, with their numbers."""

    lines: list[tuple[int, Line]]


class Shielded(NamedTuple):
    """The function is to be cancelled, and is in a section that must not be cut."""


class Connected(NamedTuple):
    """The child has connected to a database: `pid` is the PostgreSQL process that serves it."""

    alias: str
    pid: int


class Returned(NamedTuple):
    """The function returned.

    Parameters:
      result: As a pickle, see `pack_result`.
      written: Its outcome was committed with the writes of the function.
      put_off: The task's own message was enqueued again: milliseconds to wait, and options for the row.
    """

    result: bytes
    written: bool
    put_off: tuple[int, dict[str, Any]] | None = None


class Raised(NamedTuple):
    """The function raised.

    Parameters:
      exception: As a pickle, see `pack_exception`.
      cancelled: The cancellation of the task had reached it.
      put_off: As of `Returned`.
    """

    exception: bytes
    failure: Failure
    written: bool
    cancelled: bool = False
    put_off: tuple[int, dict[str, Any]] | None = None


class Verdict(NamedTuple):
    """How a child ended, and why. The keeper has ended all processes of the task by then.

    Parameters:
      over: "time", "memory" or "cpu": the limit for which it was killed. Empty: it was not.
      status: Its exit code, or the negative number of a signal.
      peak_bytes: Most memory that was seen.
      cpu_seconds: Processor time of all processes.
    """

    over: str
    status: int
    peak_bytes: int
    cpu_seconds: float


End = Returned | Raised


# --- Values of the function ----------------------------------------------------------------------


def pack_result(result: Any) -> bytes:
    """Return the result as a pickle. One that cannot be pickled becomes an object of a class of the same name.

    JSON takes neither, so the outcome tells the same.
    """
    packed = _round_trip(result)
    return packed if packed is not None else pickle.dumps(_Unsent(type(result).__name__))


def unpack_result(packed: bytes) -> Any:
    """Return the result that `pack_result` packed.

    Raises:
      ChildError: It cannot be read here. Its class may be one that only the child has.
    """
    result = _read(packed)
    return type(result.name, (), {})() if isinstance(result, _Unsent) else result


class _Unsent(NamedTuple):
    name: str


def pack_exception(exception: BaseException) -> bytes:
    """Return the exception as a pickle, as faithful as its class allows."""
    if (packed := _round_trip(exception)) is not None:
        return packed
    for kind in type(exception).__mro__:
        # A class of a function's own cannot be named, and one with arguments of its own cannot be made again.
        if not issubclass(kind, BaseException):
            break
        args = exception.args if _round_trip(exception.args) is not None else (_text(exception),)
        state = {name: value for name, value in vars(exception).items() if _round_trip(value) is not None}
        if (packed := _round_trip(_Rebuilt(kind, args, state))) is not None and _made(pickle.loads(packed)) is not None:
            return packed
    return pickle.dumps(ChildError(_text(exception)))


def unpack_exception(packed: bytes) -> BaseException:
    """Return the exception that `pack_exception` packed. One that cannot be read here becomes a `ChildError`."""
    try:
        found = _read(packed)
    except ChildError as error:
        return error
    made = _made(found) if isinstance(found, _Rebuilt) else found
    return made if isinstance(made, BaseException) else ChildError(f"it raised {found!r:.200}")


class _Rebuilt(NamedTuple):
    kind: type[BaseException]
    args: tuple[Any, ...]
    state: dict[str, Any]


def _made(rebuilt: _Rebuilt) -> BaseException | None:
    """Return an exception of the class, made without its `__init__`."""
    try:
        made = rebuilt.kind.__new__(rebuilt.kind, *rebuilt.args)
        made.args = rebuilt.args
        vars(made).update(rebuilt.state)
    except BaseException:
        return None
    return made


def _read(packed: bytes) -> Any:
    try:
        return pickle.loads(packed)
    except Interrupt:
        raise
    except BaseException as error:
        raise ChildError(f"what it ended with cannot be read in its worker process: {_text(error)}") from error


def _round_trip(value: Any) -> bytes | None:
    """Return a pickle that can be read again, or None. Both run code of the value's class."""
    try:
        packed = pickle.dumps(value)
        pickle.loads(packed)
    except BaseException:
        return None
    return packed


def _text(exception: BaseException) -> str:
    return Failure.of(exception).error_message
