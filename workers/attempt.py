"""One attempt of a task in this process: from its claim to the outcome that the ledger is told."""

import logging
import threading
import time
import traceback as tracebacks
from typing import Any

from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Shutdown

from apps.tasks import states
from apps.tasks.outcome import Claim, Outcome, Report, Send
from apps.tasks.progress import Reporter
from apps.tasks.storable import cleaned, storable

logger = logging.getLogger(__name__)

#: How many frames of a traceback are kept.
TRACEBACK_LIMIT = 30

#: A retry waits no longer than this: a year. Dates have an end.
LONGEST_RETRY_MS = 365 * 24 * 60 * 60 * 1000

_thread = threading.local()


class Attempt:
    """What this process knows of an attempt that it holds."""

    __slots__ = (
        "cancelled", "claim", "group", "group_sends", "in_transaction", "is_suspect", "message", "outcome", "owner_id",
        "reporter", "retry_delay_ms", "sends", "start_reported", "started", "taken", "thread", "written",
    )  # fmt: skip

    def __init__(
        self, message: Message[Any], claim: Claim, *, owner_id: int | None = None, is_suspect: bool = False
    ) -> None:
        self.message = message
        self.claim = claim
        self.owner_id = owner_id
        self.reporter = Reporter()
        self.sends: list[Send] = []
        self.retry_delay_ms: int | None = None
        self.outcome: Outcome | None = None
        #: When the actor was called, by the monotonic clock. None: it waits in this process.
        self.started: float | None = None
        self.start_reported = is_suspect
        #: The thread that runs it.
        self.thread: threading.Thread | None = None
        #: Its worker died once while it was held; it is claimed alone.
        self.is_suspect = is_suspect
        #: The outcome is in the database already, in the actor's own transaction.
        self.written = False
        #: Its actor's transaction is open, in which the outermost call completes it.
        self.in_transaction = False
        #: The writer has it, or will give it back.
        self.taken = False
        #: It was called off before it started.
        self.cancelled = False
        #: The Dramatiq group that counts it, and what is sent when it is the last of it.
        self.group = ""
        self.group_sends: list[Send] = []

    @staticmethod
    def current() -> "Attempt | None":
        """The attempt that this thread runs."""
        attempt: Attempt | None = getattr(_thread, "running", None)
        return attempt

    def begin(self) -> None:
        """This thread starts to run it."""
        self.thread = threading.current_thread()
        self.started = time.monotonic()
        _thread.running = self

    # --- The after-hooks of the middleware speak to the attempt that their thread is ending ---

    @staticmethod
    def ending() -> "Attempt | None":
        """The attempt that this thread is ending: what is sent now belongs to its outcome."""
        attempt: Attempt | None = getattr(_thread, "ending", None)
        return attempt

    def begin_ending(self) -> None:
        """Gather anew: an interrupt may have cut off the after-hooks, which then run again."""
        self.sends.clear()
        self.group, self.group_sends = "", []
        self.retry_delay_ms = None
        _thread.ending = self

    @staticmethod
    def stop_gathering() -> None:
        """What this thread sends from here on does not belong to the outcome."""
        _thread.ending = None

    @staticmethod
    def end_ending() -> None:
        _thread.ending = None
        _thread.running = None

    def retry(self, *, delay_ms: int) -> None:
        """The attempt failed and the task shall run again."""
        self.retry_delay_ms = min(max(delay_ms, 0), LONGEST_RETRY_MS)

    # --- The outcome ---

    @property
    def wire_id(self) -> str:
        """Its message's id in Redis."""
        return str(self.message.options["redis_message_id"])

    @property
    def ran_ms(self) -> float | None:
        return None if self.started is None else (time.monotonic() - self.started) * 1000

    def decide(self, *, result: Any, exception: BaseException | None, store_result: bool) -> None:
        """Settle the outcome. The first one stands: an interrupt may come late, in the middle of an after-hook."""
        if self.outcome is not None:
            return
        if isinstance(exception, Shutdown):
            self.hand_back()
        elif exception is not None:
            self._fail(exception)
        else:
            try:
                kept = storable(result) if store_result else None
            except Exception as error:  # Not JSON, or too deep for it.
                self._settle(states.FAIL, error_message=f"It ran, but its result cannot be stored as JSON: {error}")
            else:
                self._settle(states.COMPLETE, result=kept)

    def skip(self, reason: str, *, failed: bool) -> None:
        """A middleware skipped the message."""
        if self.outcome is None:
            if failed:
                self._settle(states.FAIL, error_message=reason or "It was skipped.")
            else:
                self._settle(states.COMPLETE, text=reason or "It was skipped.")

    def hand_back(self) -> None:
        """Let another process run it, without spending a retry."""
        if self.outcome is None:
            self.sends.clear()
            self._settle(states.HAND_BACK)

    def abort(self) -> None:
        """It was called off before it started."""
        if self.outcome is None:
            self._settle(states.ABORT)

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
        """Whether the row does not know yet that it started, or how far it is."""
        return self.started is not None and (self.reporter.has_news or not self.start_reported)

    def report(self) -> Report:
        """How far it is now, for the row."""
        self.start_reported = True
        percent, text = self.reporter.take()
        return Report(claim=self.claim, percent=percent, text=text, ran_ms=self.ran_ms or 0)


class ClaimedMessage(MessageProxy):
    """A message that this process holds the claim of."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt.message)
        self.attempt = attempt

    @property
    def owner_id(self) -> int | None:
        return self.attempt.owner_id


def text_of(exception: BaseException) -> str:
    """What the exception says, or what it is where it says nothing."""
    try:
        return cleaned(str(exception)) or type(exception).__name__
    except Exception:  # Its own `__str__` fails.
        return type(exception).__name__


def traceback_of(exception: BaseException) -> str:
    return cleaned("".join(tracebacks.format_exception(exception, limit=TRACEBACK_LIMIT)))
