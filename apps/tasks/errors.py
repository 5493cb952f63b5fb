"""Errors of the task system. `TaskError` is the base of them all."""

from datetime import timedelta

from dramatiq.threading import Interrupt

from apps.core.busy import BusyError

#: Longest delay of a snooze, in milliseconds: ten years, as for a send.
LONGEST_SNOOZE_MS = 10 * 365 * 24 * 60 * 60 * 1000


class TaskError(Exception):
    """An error of the task system."""


class BadArgumentsError(TaskError, TypeError):
    """The message's arguments cannot be sent to this actor. Nothing was recorded."""


class BadOptionError(BadArgumentsError, ValueError):
    """An option of an actor or of a message is unknown, or its value is wrong. Nothing was declared or recorded."""


class AsyncTransactionError(TaskError, RuntimeError):
    """An async send could not belong to the transaction that is open around it. Nothing was recorded."""


class TooLargeError(TaskError, ValueError):
    """The message's arguments are larger than `TASK_MAX_ARGUMENT_BYTES`. Send an id, not the data."""


class FollowUpError(TaskError):
    """A message that follows a task cannot be recorded: JSON cannot carry its arguments."""


class QueueFullError(TaskError, BusyError):
    """The queue 'documents' has 20,000 waiting tasks of 20,000 that it takes, so 1 more was refused (max_waiting)

    Parameters:
      what: "queue" or "actor".
      waiting: Its pending tasks.
      refused: Sends that were refused. Nothing of them was recorded.
    """

    def __init__(self, *, what: str, name: str, waiting: int, refused: int, max_waiting: int) -> None:
        self.what, self.name = what, name
        self.waiting, self.refused, self.max_waiting = waiting, refused, max_waiting
        super().__init__(
            f"The {what} {name!r} has {waiting:,} waiting tasks of {max_waiting:,} that it takes, so {refused:,} more "
            f"{'was' if refused == 1 else 'were'} refused (max_waiting)"
        )

    @property
    def sentence(self) -> str:
        return f"Too many tasks are waiting at the moment. Try again in {self.wait} seconds."


class UnknownQueueError(TaskError, ValueError):
    """Unknown queue 'slwo', must be one of: default, slow (did you mean 'slow'?)"""


class UnknownActorError(TaskError, ValueError):
    """Unknown actor 'documents.proces', must be one of: documents.process (did you mean 'documents.process'?)"""


class BadPauseError(TaskError, ValueError):
    """The reason of a pause has 612 characters, must have 500 at most"""


class PurgeError(TaskError, ValueError):
    """More than 10,000 tasks wait in the queue, too many to cancel at once."""


class Snooze(TaskError):  # noqa: N818 - No failure. Actors raise it like Dramatiq's `Retry`.
    """Put the task off: `raise Snooze(delay=timedelta(minutes=5))`. It spends no retry and is no failure.

    Parameters:
      delay: Time before the task may run again, as a `timedelta` or in whole milliseconds. Ten years at most.

    Raises:
      BadSnoozeError: The delay is neither, or out of range. The task fails with this error and is not retried.
    """

    def __init__(self, *, delay: timedelta | int) -> None:
        self.delay_ms = _snooze_ms(delay)
        super().__init__(f"put off for {self.delay_ms:,} ms")


class BadSnoozeError(TaskError, ValueError):
    """The delay of a snooze is -1, must be a timedelta or whole milliseconds, from 0 to ten years"""


class TooManySnoozesError(TaskError):
    """The task was snoozed as often as its `max_snoozes` allows."""


class Cancelled(Interrupt):
    """The task was cancelled while it ran. `except Exception` does not catch it.

    A task may catch it to clean up, and raises it again:

        except Cancelled:
            upload.abort()
            raise
    """


def _snooze_ms(delay: object) -> int:
    # Rounded up: not before its time.
    milliseconds = -(-delay // timedelta(milliseconds=1)) if isinstance(delay, timedelta) else delay
    if type(milliseconds) is int and 0 <= milliseconds <= LONGEST_SNOOZE_MS:
        return milliseconds
    try:
        shown = repr(delay)[:80]
    except Exception:  # A value of a class of its own, or an integer of more than 4,300 digits.
        shown = f"of type {type(delay).__name__}"
    raise BadSnoozeError(
        f"the delay of a snooze is {shown}, must be a timedelta or whole milliseconds, from 0 to ten years"
    )


class SupersededError(TaskError):
    """Another attempt of this task has taken over. The writes of this one are rolled back."""


class ChildError(TaskError):
    """The process of an isolated task ended before its function did: "its process was killed by signal 9 (SIGKILL)"."""


class OverLimitError(ChildError):
    """An isolated task went over a limit of its actor, and its processes were killed."""


class OverTimeLimitError(OverLimitError):
    """over its hard time limit of 30 s"""


class OverMemoryLimitError(OverLimitError):
    """over its memory limit of 512 MB (peak 530 MB)"""


class OverCpuLimitError(OverLimitError):
    """over its CPU limit of 60 s (used 60.1 s)"""


class BadCronError(TaskError, ValueError):
    """The cron text makes no sense."""


class UnknownZoneError(TaskError, ValueError):
    """The time zone is unknown."""


class CannotRunError(TaskError, ValueError):
    """The schedule cannot be run: its actor is unknown or cannot be called with its arguments."""


class CannotImportError(TaskError, ValueError):
    """Schedules of another system cannot be read, or one of them cannot be a schedule here."""


class NotRunningError(TaskError):
    """The task does not run, so it has no stack."""


class KeyTakenError(TaskError):
    """Task 5f1d cannot be retried: task 92ab has the same unique key and is unfinished"""

    def __init__(self, task_id: str, *, taken_by: str) -> None:
        super().__init__(f"Task {task_id} cannot be retried: task {taken_by} has the same unique key and is unfinished")


class LockedError(TaskError):
    """Another transaction has locked a row for longer than this one may wait. Nothing was recorded."""


class GroupError(TaskError, ValueError):
    """The group cannot have such a member or callback."""


class BadOfferError(TaskError, TypeError):
    """Staff cannot be let schedule what is no actor, or by what is no permission."""


class BadFormError(BadOfferError):
    """The form cannot give the arguments of the actor.

    Parameters:
      field: Field whose value it is. Empty: the form itself is wrong.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
