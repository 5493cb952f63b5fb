"""Errors of the task system. `TaskError` is the base of them all."""


class TaskError(Exception):
    """An error of the task system."""


class BadArgumentsError(TaskError, TypeError):
    """The message's arguments cannot be sent to this actor. Nothing was recorded."""


class TooLargeError(TaskError, ValueError):
    """The message's arguments are larger than `TASK_MAX_ARGUMENT_BYTES`. Send an id, not the data."""


class FollowUpError(TaskError):
    """A message that follows a task cannot be recorded: JSON cannot carry its arguments."""


class UnknownQueueError(TaskError, ValueError):
    """No actor is declared on the queue."""


class SupersededError(TaskError):
    """Another attempt of this task has taken over. The writes of this one are rolled back."""


class BadCronError(TaskError, ValueError):
    """The cron text makes no sense."""


class UnknownZoneError(TaskError, ValueError):
    """The time zone is unknown."""


class CannotRunError(TaskError, ValueError):
    """The schedule cannot be run: its actor is unknown or cannot be called with its arguments."""


class KeyTakenError(TaskError):
    """Task 5f1d cannot be retried: task 92ab has the same unique key and is unfinished"""

    def __init__(self, task_id: str, *, taken_by: str) -> None:
        super().__init__(f"Task {task_id} cannot be retried: task {taken_by} has the same unique key and is unfinished")
