"""Requests to cancel the task that runs in the thread of the test. A worker has threads that tell it of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from apps.tasks.models import TaskStatus
from workers.process.attempt import Attempt

#: The column with a request.
COLUMN = "cancel_requested_at"


@contextmanager
def noticed(attempt: Attempt) -> Iterator[None]:
    """Tell the attempt as soon as a statement of this thread requests its cancellation.

    The next report of its progress raises `Cancelled` then.
    """
    rows = TaskStatus.objects.filter(pk=attempt.claim.row_id, **{f"{COLUMN}__isnull": False})

    def notice(execute: Callable[..., Any], sql: str, *call: Any) -> Any:
        found = execute(sql, *call)
        if sql.startswith("UPDATE") and COLUMN in sql and not attempt.cancellation.is_requested and rows.exists():
            attempt.cancellation.request()
        return found

    with transaction.get_connection().execute_wrapper(notice):
        yield
