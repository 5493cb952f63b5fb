"""`manage.py tasks causes`."""

from argparse import ArgumentParser
from typing import Any

from django.db.models.functions import Left
from django.utils import timezone

from apps.tasks import duration, failures
from apps.tasks.commands import facts, options, table
from apps.tasks.commands.screen import RED, Screen
from apps.tasks.commands.table import Column
from apps.tasks.models import TaskStatus
from apps.tasks.statements import causes

HELP = "the failures of a time by their cause, the most frequent first"
#: Failures of each cause that are counted.
MOST_COUNTED = 100_000
#: Characters of an error message that are read.
LONGEST = 2_000
COLUMNS = (
    Column(title="FAILED", is_number=True, styles=lambda cell: (RED,)),
    Column(title="ACTOR"),
    Column(title="ERROR", gives_way=True),
    Column(title="FIRST", is_number=True),
    Column(title="LAST", is_number=True),
    Column(title="CAUSE"),
)


def add_arguments(parser: ArgumentParser) -> None:
    options.add_period(parser)
    options.add_limit(parser, default=20)
    options.add_json(parser)


def run(chosen: dict[str, Any], screen: Screen) -> None:
    period = options.PERIODS[chosen["last"]]
    found = causes.since(timezone.now() - period, limit=chosen["limit"], most_counted=MOST_COUNTED)
    rows = TaskStatus.objects.only("pk", "task_id", "task_name", "error_type")
    last = rows.annotate(error_start=Left("error_message", LONGEST)).in_bulk([cause.pk for cause in found])
    seen = [(cause, last[cause.pk]) for cause in found if cause.pk in last]
    if screen.as_json:
        for cause, task in seen:
            screen.json(_as_json(cause, task))
    elif not seen:
        screen.line(f"No task failed in the last {chosen['last']}.")
    else:
        table.write(screen, COLUMNS, [_row(cause, task) for cause, task in seen])


def _row(cause: causes.Cause, task: Any) -> tuple[str, ...]:
    now = timezone.now()
    return (
        _number(cause), task.task_name, failures.in_words(task.error_type, task.error_start).partition("\n")[0],
        f"{duration.in_words(now - cause.first_at)} ago", f"{duration.in_words(now - cause.last_at)} ago", cause.cause,
    )  # fmt: skip


def _number(cause: causes.Cause) -> str:
    return f"{MOST_COUNTED:,}+" if cause.number > MOST_COUNTED else f"{cause.number:,}"


def _as_json(cause: causes.Cause, task: Any) -> dict[str, Any]:
    return {
        "cause": cause.cause,
        "failed": min(cause.number, MOST_COUNTED),
        "is_counted": cause.number <= MOST_COUNTED,
        "actor": task.task_name,
        "error_type": task.error_type,
        "error": task.error_start,
        "first_at": facts.iso(cause.first_at),
        "last_at": facts.iso(cause.last_at),
        "last_id": task.task_id,
    }
