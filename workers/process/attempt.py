"""One attempt of a task in this process, from its claim to its outcome."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Shutdown

from apps.tasks import masking, states
from apps.tasks.conf import conf
from apps.tasks.errors import Cancelled, TaskError
from apps.tasks.failures import in_words
from apps.tasks.json_safe import json_safe
from apps.tasks.log_buffer import Buffer
from apps.tasks.progress import Reporter
from apps.tasks.values import Claim, Frame, Outcome, Report, Send
from workers.process.cancellation import Cancellation
from workers.process.failure import MESSAGE_LIMIT, Failure

logger = logging.getLogger(__name__)

#: Characters of an error in a log line.
MESSAGE_START_LENGTH = 300

#: Error of a task that a middleware failed.
REFUSED = "A middleware refused it."

#: Longest delay of an automatic retry, in milliseconds: a year. Dates have an end.
LONGEST_RETRY_MS = 365 * 24 * 60 * 60 * 1000

_thread = threading.local()


class EndedError(TaskError):
    """The message of a task was enqueued again after its end was written."""


class Attempt:
    """State of an attempt that this process holds."""

    __slots__ = (
        "broken_hooks", "cancellation", "child_failure", "claim", "deadline", "failure", "function", "in_transaction",
        "is_cancelled", "is_expected", "is_in_child", "is_suspect", "line", "message", "options", "outcome", "owner_id",
        "put_off_ms", "reporter", "retry_delay_ms", "sends", "snooze_ms", "stack_of", "start_reported", "started",
        "taken", "thread", "written",
    )  # fmt: skip

    def __init__(
        self,
        message: Message[Any],
        claim: Claim,
        *,
        owner_id: Any = None,
        line: str | None = None,
        function: Callable[..., Any] | None = None,
        is_suspect: bool = False,
    ) -> None:
        self.message = message
        self.claim = claim
        self.owner_id = owner_id
        #: Key of its actor's limit. None: it has none.
        self.line = line
        #: Its async function, which runs in place. None: a worker thread runs it.
        self.function = function
        #: Time by the monotonic clock at which one that runs in place is interrupted. None: never.
        self.deadline: float | None = None
        #: The way by which a request to cancel reaches it.
        self.cancellation = Cancellation()
        self.reporter = Reporter(self.cancellation, message=message)
        self.sends: list[Send] = []
        self.retry_delay_ms: int | None = None
        #: Milliseconds for which its message was enqueued again before its end began. None: it was not.
        self.put_off_ms: int | None = None
        #: Options of the message that was enqueued again, for the row. None: it was not.
        self.options: dict[str, Any] | None = None
        #: Milliseconds for which it puts itself off. None: it does not.
        self.snooze_ms: int | None = None
        #: Exception that ended it, in texts. They are made once: making them runs code of the exception.
        self.failure: Failure | None = None
        #: The exception belongs to its work: the actor's `throws`, or Dramatiq's `Retry`.
        self.is_expected = False
        #: After-hooks that failed: name, whether what follows the task may be missing, and why.
        self.broken_hooks: list[tuple[str, bool, Failure]] = []
        self.outcome: Outcome | None = None
        #: Start of the actor, by the monotonic clock. None: it waits in this process.
        self.started: float | None = None
        self.start_reported = is_suspect
        #: Thread that runs it.
        self.thread: threading.Thread | None = None
        #: Returns the stack of the task, if it runs elsewhere than in that thread.
        self.stack_of: Callable[[], list[Frame]] | None = None
        #: A worker died while it held the task. It is claimed alone.
        self.is_suspect = is_suspect
        #: The outcome is in the database, written in the actor's own transaction.
        self.written = False
        #: The actor's transaction is open. Its outermost call completes the attempt.
        self.in_transaction = False
        #: The writer has it, or the rebalancer will release it.
        self.taken = False
        #: This process is the child that runs its function.
        self.is_in_child = False
        #: Exception of its function in the child, in texts. None: it did not raise there.
        self.child_failure: Failure | None = None
        #: The actor ended by its cancellation.
        self.is_cancelled = False

    @staticmethod
    def current() -> "Attempt | None":
        """Return the attempt that this thread runs."""
        attempt: Attempt | None = getattr(_thread, "running", None)
        return attempt

    def begin(self) -> None:
        """Note that this thread starts the attempt."""
        self.thread = threading.current_thread()
        self.started = time.monotonic()
        self.reporter.log = Buffer(self.message)
        _thread.running = self

    def enter(self) -> None:
        """Note that this thread calls the hooks of the attempt, which runs in place."""
        _thread.running = self

    @staticmethod
    def leave() -> None:
        """Note that this thread calls no more hooks just now."""
        _thread.running = _thread.processing = None

    # --- The after-hooks of the middleware speak to the attempt that their thread is ending ---

    @staticmethod
    def ending() -> "Attempt | None":
        """Return the attempt that this thread is ending. Messages sent now belong to its outcome."""
        attempt: Attempt | None = getattr(_thread, "ending", None)
        return attempt

    def begin_ending(self, exception: BaseException | None = None) -> None:
        """Gather the messages of the outcome, anew: an interrupt may have cut off the after-hooks, which run again."""
        self.is_cancelled = self.cancellation.ends(exception)
        if self.is_cancelled:
            self.cancellation.finish()
        self.sends.clear()
        self.retry_delay_ms, self.snooze_ms, self.failure, self.is_expected = self.put_off_ms, None, None, False
        self.broken_hooks.clear()
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

    @staticmethod
    def note_processing(message: MessageProxy | None) -> None:
        """Note the message whose hooks this thread calls. None: it has called them all."""
        _thread.processing = message.attempt if isinstance(message, ClaimedMessage) else None

    @staticmethod
    def of(message: Message[Any] | MessageProxy) -> "Attempt | None":
        """Return the attempt whose own message this is, or a copy of it. None: it is another one."""
        if isinstance(message, ClaimedMessage):
            return message.attempt
        attempt: Attempt | None = getattr(_thread, "processing", None) or Attempt.current()
        if attempt is None or message.options.get("redis_message_id") != attempt.wire_id:
            return None
        return attempt

    def retry(self, *, delay_ms: int, options: dict[str, Any]) -> None:
        """Let the task run again, since its message was enqueued again.

        It is an automatic retry of an attempt that fails. Any other is put off, without a failure and without an end.

        Parameters:
          options: Options of the message, for the row.

        Raises:
          EndedError: The end of the attempt is written.
        """
        self.retry_delay_ms = min(max(delay_ms, 0), LONGEST_RETRY_MS)
        self.options = options
        if self.outcome is not None:
            self._put_off_late()
        elif Attempt.ending() is not self:
            self.put_off_ms = self.retry_delay_ms

    def _put_off_late(self) -> None:
        """Put the task off though its outcome is settled: the hook of a middleware comes after that."""
        if self.written or self.taken:
            raise EndedError("its message was enqueued again after its end was written")
        assert self.outcome is not None, "there is an outcome to replace"
        if move := {states.COMPLETE: states.SNOOZE, states.FAIL: states.RETRY}.get(self.outcome.move):
            self._replace(move=move, delay_ms=self.retry_delay_ms or 0, options=self.options)

    def refuse(self) -> None:
        """Fail the attempt, which completed, since a middleware says so."""
        if self.outcome is None or self.outcome.move is not states.COMPLETE:
            return
        if self.written or self.taken:
            logger.error("task completed before a middleware failed it id=%s", self.claim.task_id)
        else:
            self._replace(move=states.FAIL, result=None, error_message=REFUSED, sends=())

    def _replace(self, *, move: states.Move, **values: Any) -> None:
        """Replace the outcome, whose log line is written."""
        assert self.outcome is not None, "there is an outcome to replace"
        logger.info(
            "task ends otherwise id=%s actor=%s status=%s attempt=%d",
            self.claim.task_id, self.message.actor_name, move.target, self.claim.attempt,
        )  # fmt: skip
        self.outcome = self.outcome._replace(move=move, **values)

    def note_broken_hook(self, name: str, *, is_following: bool, failure: Failure) -> None:
        """Note that an after-hook failed. The outcome tells it.

        Parameters:
          is_following: The hook sends what follows the task.
        """
        self.broken_hooks.append((name, is_following, failure))

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
        if self.is_cancelled:
            self._cancel(exception)
        elif is_a(exception, Shutdown):
            self.release()
        elif self.snooze_ms is not None:
            self._settle(states.SNOOZE, delay_ms=self.snooze_ms)
        elif exception is not None:
            self._fail(self.failure_of(exception))
        elif self.retry_delay_ms is not None:
            self._settle(states.SNOOZE, delay_ms=self.retry_delay_ms)
        else:
            try:
                kept = json_safe(result) if store_result else None
            except BaseException as error:  # Not JSON, or nested too deeply for it, or a class of its own that raises.
                failure = Failure.of(error).without(self.secrets)
                self._settle(
                    states.FAIL,
                    error_type=failure.error_type,
                    error_message=f"It ran, but its result cannot be stored as JSON: {failure.error_message}",
                )
            else:
                self._settle(states.COMPLETE, result=kept)

    def lose(self, exception: BaseException | None = None) -> None:
        """Settle the end of an attempt that no after-hook settled.

        One that has not started is released. One that has may end like this each time, so it is retried as often as a
        worker may crash with it.
        """
        if self.outcome is not None:
            return
        if self.started is None or is_a(exception, Shutdown):
            self.release()
            return
        if self.cancellation.ends(exception):
            self._cancel(exception)
            return
        failure = None if exception is None else self.failure_of(exception)
        retries = self.message.options.get("retries", 0)
        if self.retry_delay_ms is None and retries + 1 < conf.TASK_MAX_CRASHES:
            self.retry_delay_ms = 0
        why = "its thread died" if failure is None else in_words(failure.error_type, failure.error_message)
        self._fail(
            Failure(
                error_type=failure.error_type if failure else "",
                error_message=f"It ran, but its end could not be recorded: {why}",
                traceback=failure.traceback if failure else "",
            )
        )
        logger.error(
            "end of a task was lost id=%s actor=%s attempt=%d error=%r\n%s",
            self.claim.task_id, self.message.actor_name, self.claim.attempt, why[:MESSAGE_START_LENGTH],
            failure.traceback.rstrip() if failure else "",
        )  # fmt: skip

    def failure_of(self, exception: BaseException) -> Failure:
        """Return the exception's texts."""
        self.failure = (self.failure or Failure.of(exception)).without(self.secrets)
        return self.failure

    @property
    def secrets(self) -> list[str]:
        """Secret values of its arguments, which no error and no log line of it may show."""
        message = self.message
        return masking.secret_texts(message.actor_name, message.args, message.kwargs)

    def skip(self, reason: str, *, failed: bool) -> None:
        """Settle the outcome of a message that a middleware skipped."""
        if self.outcome is None:
            if self.retry_delay_ms is not None:
                self._settle(states.SNOOZE, delay_ms=self.retry_delay_ms)
            elif failed:
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

    def _cancel(self, exception: BaseException | None) -> None:
        """Settle the end of a task that was cancelled while it ran. The row tells an error of its clean-up."""
        self.sends.clear()
        if exception is None or is_a(exception, Cancelled):
            self._settle(states.CANCEL_CLAIMED)
            return
        failure = self.failure_of(exception)
        self._settle(
            states.CANCEL_CLAIMED,
            error_type=failure.error_type,
            error_message=failure.error_message,
            traceback=failure.traceback,
        )

    def _fail(self, failure: Failure) -> None:
        self._settle(
            states.FAIL if self.retry_delay_ms is None else states.RETRY,
            error_type=failure.error_type,
            error_message=failure.error_message,
            traceback=failure.traceback,
            delay_ms=self.retry_delay_ms or 0,
        )

    def _settle(self, move: states.Move, *, text: str | None = None, error_message: str = "", **values: Any) -> None:
        if self.broken_hooks:
            move, error_message = self._with_broken_hooks(move, error_message)
            error_message = masking.without(self.secrets, error_message)
            failure = self.broken_hooks[0][2].without(self.secrets)
            values.setdefault("error_type", failure.error_type)
            values.setdefault("traceback", failure.traceback)
        percent, reported = self.reporter.take()
        self.outcome = Outcome(
            claim=self.claim,
            move=move,
            task_name=self.message.actor_name,
            ran_ms=self.ran_ms,
            percent=percent,
            text=reported if text is None else text,
            error_message=error_message,
            sends=tuple(self.sends),
            line=self.line,
            options=self.options if move in (states.RETRY, states.SNOOZE) else None,
            **values,
        )
        # After the outcome: a request that comes now sees it, or is seen here. The function may not even have begun.
        if self.cancellation.is_requested:
            self.cancellation.close()

    def _with_broken_hooks(self, move: states.Move, error_message: str) -> tuple[states.Move, str]:
        """Return the move and the error message of an outcome, some of whose after-hooks failed.

        A task fails if what follows it may be missing, so that staff see it and can retry it.
        """
        told = [error_message] if error_message else []
        for name, is_following, failure in self.broken_hooks:
            why = in_words(failure.error_type, failure.error_message) if told else failure.error_message
            missing = ", and what follows the task may be missing" if is_following else ""
            told.append(f"{'' if told else 'It ran, but '}{name} failed{missing}: {why}")
        if move is states.COMPLETE and any(is_following for _, is_following, _ in self.broken_hooks):
            move = states.FAIL
        return move, "\n".join(told)[:MESSAGE_LIMIT]

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
        message = attempt.message
        super().__init__(message)
        self.attempt = attempt
        # A proxy looks up what it has not: two dozen times a task.
        self.actor_name, self.queue_name, self.message_id = message.actor_name, message.queue_name, message.message_id
        self.args, self.kwargs, self.options = message.args, message.kwargs, message.options

    def fail(self) -> None:
        """Let the task fail, unless its actor has raised: what follows from that is decided by then."""
        super().fail()
        self.attempt.refuse()

    @property
    def owner_id(self) -> Any:
        """Primary key of the task's owner."""
        return self.attempt.owner_id

    def __str__(self) -> str:
        """Return its name without its arguments: Dramatiq puts messages into log lines, and they may hold secrets."""
        claim = self.attempt.claim
        return f"{self.actor_name} id={claim.task_id} attempt={claim.attempt}"

    __repr__ = __str__

    @property
    def exception(self) -> BaseException | None:
        """Exception that its actor or a middleware raised."""
        return self._exception


def is_in_place(message: MessageProxy) -> bool:
    """Return whether the message's task runs in place, without a thread of its own."""
    return isinstance(message, ClaimedMessage) and message.attempt.function is not None


def is_a(exception: BaseException | None, kind: type[BaseException]) -> bool:
    """Return whether an exception is of a class. `isinstance` asks the exception as well, which may raise."""
    return issubclass(type(exception), kind)


def failure_of(message: MessageProxy, exception: BaseException) -> Failure:
    """Return the texts of the exception that a message ended with."""
    return message.attempt.failure_of(exception) if isinstance(message, ClaimedMessage) else Failure.of(exception)
