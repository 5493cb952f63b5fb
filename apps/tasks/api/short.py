"""Tasks of a list without their long texts: a page of them is small, whatever tasks returned and raised."""

from typing import Any

from django.db import connection
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Left, Right

from apps.tasks.models import TaskStatus

#: Characters of a text that a list has, at most, and of a result as JSON. A longer result is left out.
MOST = 1_000
#: Reads a result as the column does, also one that another program wrote.
_result: Any = TaskStatus._meta.get_field("result")


def read(tasks: QuerySet[TaskStatus]) -> QuerySet[Any]:
    """Leave out the columns that may be large, and add the parts of them that `fill` takes."""
    found: QuerySet[Any] = tasks.defer("args", "kwargs", "options", "result", "error_message", "traceback").annotate(
        result_start=Left(Cast("result", TextField()), MOST + 1),
        error_start=Left("error_message", MOST + 1),
        traceback_end=Right("traceback", MOST + 1),
    )
    return found


def fill(task: Any) -> TaskStatus:
    """Fill a task that `read` has read, and say in `is_cut` whether it is longer.

    Of an error the start is kept, and of a traceback the end, where the error was raised.
    """
    result = task.result_start or "null"
    task.is_cut = max(map(len, (result, task.error_start, task.traceback_end))) > MOST
    task.result = None if len(result) > MOST else _result.from_db_value(result, None, connection)
    task.error_message, task.traceback = task.error_start[:MOST], task.traceback_end[-MOST:]
    filled: TaskStatus = task
    return filled
