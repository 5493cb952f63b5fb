"""One attempt of a task in this process, from its claim to its outcome."""

import logging
import threading
import time
import traceback as tracebacks
from typing import Any

from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Shutdown

from apps.tasks import states
from apps.tasks.json_safe import clean_text, json_safe
from apps.tasks.progress import Reporter
from apps.tasks.values import Claim, Outcome, Report, Send

logger = logging.getLogger(__name__)

#: Frames of a traceback that are kept.
TRACEBACK_LIMIT = 30

#: Longest delay of an automatic retry, in milliseconds: a year. Dates have an end.
LONGEST_RETRY_MS = 365 * 24 * 60 * 60 * 1000

_thread = threading.local()


class Attempt:
    """State of an attempt that this process holds."""

    __slots__ = (
        "cancelled", "claim", "group", "group_sends", "in_transaction", "is_suspect", "message", "outcome", "owner_id",
        "reporter", "retry_delay_ms", "sends", "start_reported", "started", "taken", "thread", "written",
    )  # fmt: skip

    def __init__(self, message: Message[Any], claim: Claim, *, owner_id: Any = None, is_suspect: bool = False) -> None:
        self.message = message
        self.claim = claim
        self.owner_id = owner_id
        self.reporter = Reporter()
        self.sends: list[Send] = []
        self.retry_delay_ms: int | None = None
        self.outcome: Outcome | None = None
        #: Start of the actor, by the monotonic clock. None: it waits in this process.
        self.started: float | None = None
        self.start_reported = is_suspect
        #: Thread that runs it.
        self.thread: threading.Thread | None = None
        #: A worker died while it held the task. It is claimed alone.
        self.is_suspect = is_suspect
        #: The outcome is in the database, written in the actor's own transaction.
        self.written = False
        #: The actor's transaction is open. Its outermost call completes the attempt.
        self.in_transaction = False
        #: The writer has it, or the rebalancer will release it.
        self.taken = False
        #: Cancelled before it started.
        self.cancelled = False
        #: Dramatiq group that counts the task, and messages to send when it is the last of the group.
        self.group = ""
        self.group_sends: list[Send] = []

    @staticmethod
    def current() -> "Attempt | None":
        """Return the attempt that this thread runs."""
        attempt: Attempt | None = getattr(_thread, "running", None)
        return attempt

    def begin(self) -> None:
        """Note that this thread starts the attempt."""
        self.thread = threading.current_thread()
        self.started = time.monotonic()
        _thread.running = self

    # --- The after-hooks of the middleware speak to the attempt that their thread is ending ---

    @staticmethod
    def ending() -> "Attempt | None":
        """Return the attempt that this thread is ending. Messages sent now belong to its outcome."""
        attempt: Attempt | None = getattr(_thread, "ending", None)
        return attempt

    def begin_ending(self) -> None:
        """Gather the messages of the outcome, anew: an interrupt may have cut off the after-hooks, which run again."""
        self.sends.clear()
        self.group, self.group_sends = "", []
        self.retry_delay_ms = None
        _thread.ending = self

    @staticmethod
    def stop_gathering() -> None:
        """Stop gathering: messages that this thread sends from here on do not belong to the outcome."""
        _thread.ending = None

    @staticmethod
    def end_ending() -> None:
        """Note that this thread runs and ends no attempt."""
        _thread.ending = None
        _thread.running = None

    def retry(self, *, delay_ms: int) -> None:
        """Ask for an automatic retry of the failed attempt."""
        self.retry_delay_ms = min(max(delay_ms, 0), LONGEST_RETRY_MS)

    # --- The outcome ---

    @property
    def wire_id(self) -> str:
        """Id of its message in Redis."""
        return str(self.message.options["redis_message_id"])

    @property
    def ran_ms(self) -> float | None:
        """Milliseconds since its start. None: not started."""
        return None if self.started is None else (time.monotonic() - self.started) * 1000

    def decide(self, *, result: Any, exception: BaseException | None, store_result: bool) -> None:
        """Settle the outcome. The first one stands: an interrupt may come late, in the middle of an after-hook."""
        if self.outcome is not None:
            return
        if isinstance(exception, Shutdown):
            self.release()
        elif exception is not None:
            self._fail(exception)
        else:
            try:
                kept = json_safe(result) if store_result else None
            except Exception as error:  # Not JSON, or nested too deeply for it.
                self._settle(states.FAIL, error_message=f"It ran, but its result cannot be stored as JSON: {error}")
            else:
                self._settle(states.COMPLETE, result=kept)

    def skip(self, reason: str, *, failed: bool) -> None:
        """Settle the outcome of a message that a middleware skipped."""
        if self.outcome is None:
            if failed:
                self._settle(states.FAIL, error_message=reason or "It was skipped.")
            else:
                self._settle(states.COMPLETE, text=reason or "It was skipped.")

    def release(self) -> None:
        """Let another process run the task, without spending a retry."""
        if self.outcome is None:
            self.sends.clear()
            self._settle(states.RELEASE)

    def cancel(self) -> None:
        """Cancel the task before it starts."""
        if self.outcome is None:
            self._settle(states.CANCEL_CLAIMED)

    def _fail(self, exception: BaseException) -> None:
        retried = self.retry_delay_ms is not None
        self._settle(
            states.RETRY if retried else states.FAIL,
            error_message=text_of(exception),
            traceback=traceback_of(exception),
            delay_ms=self.retry_delay_ms or 0,
        )

    def _settle(self, move: states.Move, *, text: str | None = None, **values: Any) -> None:
        percent, reported = self.reporter.take()
        self.outcome = Outcome(
            claim=self.claim,
            move=move,
            ran_ms=self.ran_ms,
            percent=percent,
            text=reported if text is None else text,
            sends=tuple(self.sends),
            group=self.group,
            group_sends=tuple(self.group_sends),
            **values,
        )

    @property
    def has_news(self) -> bool:
        """Whether the row does not have its start or its progress yet."""
        return self.started is not None and (self.reporter.has_news or not self.start_reported)

    def report(self) -> Report:
        """Return its current progress, for the row."""
        self.start_reported = True
        percent, text = self.reporter.take()
        return Report(claim=self.claim, percent=percent, text=text, ran_ms=self.ran_ms or 0)


class ClaimedMessage(MessageProxy):
    """A message whose task this process has claimed."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt.message)
        self.attempt = attempt

    @property
    def owner_id(self) -> Any:
        """Primary key of the task's owner."""
        return self.attempt.owner_id


def text_of(exception: BaseException) -> str:
    """Return the exception's message, or the name of its class if it has none."""
    try:
        return clean_text(str(exception)) or type(exception).__name__
    except Exception:  # Its own `__str__` fails.
        return type(exception).__name__


def traceback_of(exception: BaseException) -> str:
    """Return the exception's traceback, cut to `TRACEBACK_LIMIT` frames."""
    return clean_text("".join(tracebacks.format_exception(exception, limit=TRACEBACK_LIMIT)))
