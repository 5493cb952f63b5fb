"""Dramatiq's results, read from the row: `message.get_result(block=True)`."""

import time
from typing import Any

from django.db import transaction
from dramatiq.results import Missing, ResultBackend, ResultFailure, ResultMissing, ResultTimeout
from dramatiq.results.backend import DEFAULT_TIMEOUT

from apps.tasks import states
from apps.tasks.failures import in_words

#: Pauses between two looks at the row while a reader waits, in seconds: the first and the longest.
FIRST_PAUSE_SECONDS = 0.01
LAST_PAUSE_SECONDS = 0.5
#: Advice for code whose transaction is that of a test case.
IN_A_TEST = "In a test, run_due() of workers.testing runs the task first."


def failure_of(row: Any) -> ResultFailure:
    """Return Dramatiq's error of a task that failed or was cancelled."""
    # Dramatiq's field has the name of the class alone. Without an exception the status says more than nothing.
    name = row.error_type.rpartition(".")[2] or row.status
    words = "the task was cancelled" if row.status == states.CANCELLED else "the task failed"
    if row.error_type and row.status == states.FAILED:
        return ResultFailure(f"actor raised {name}: {row.error_message}", name, row.error_message)
    told = in_words(row.error_type, row.error_message)
    return ResultFailure(f"{words}: {told}" if told else words, name, row.error_message)


class RowBackend(ResultBackend):
    """Reads results from `TaskStatus`. The writer puts them there with the outcome, so storing is empty here."""

    def get_result(self, message: Any, *, block: bool = False, timeout: int | None = None) -> Any:
        """Return the result of a message.

        Parameters:
          timeout: Milliseconds to wait when blocking. 10,000 by default.

        Raises:
          ResultMissing: The task is unfinished, and `block` is False.
          ResultTimeout: The task did not finish in time.
          ResultFailure: The task failed or was cancelled.
          RuntimeError: It is unfinished, and a transaction is open, which may be the one that sent it.
        """
        deadline = time.monotonic() + (DEFAULT_TIMEOUT if timeout is None else timeout) / 1000
        pause = FIRST_PAUSE_SECONDS
        while (result := self._find(message.message_id)) is Missing:
            is_inside = transaction.get_connection().in_atomic_block
            if block and is_inside:
                raise RuntimeError(
                    "get_result(block=True) cannot succeed inside a transaction: the message is published when it "
                    f"commits. {IN_A_TEST}"
                )
            if not block:
                raise ResultMissing(
                    f"{message.actor_name} {message.message_id} has not ended. "
                    + (IN_A_TEST if is_inside else "get_result(block=True) waits for it.")
                )
            if time.monotonic() + pause > deadline:
                raise ResultTimeout(message)
            time.sleep(pause)
            pause = min(pause * 1.5, LAST_PAUSE_SECONDS)
        return result

    def _find(self, task_id: str) -> Any:
        from apps.tasks.models import TaskStatus

        columns = ("status", "result", "error_type", "error_message")
        row = TaskStatus.objects.filter(task_id=task_id).only(*columns).first()
        if row is None or row.status in states.UNFINISHED:
            return Missing
        if row.status == states.COMPLETED:
            return row.result
        raise failure_of(row)

    def store_result(self, message: Any, result: Any, ttl: int) -> None:
        """The outcome carries the result."""

    def store_exception(self, message: Any, exception: BaseException, ttl: int) -> None:
        """The outcome carries the error."""
