"""`manage.py tasks list`."""

from argparse import ArgumentParser
from typing import Any

from apps.tasks import duration, search
from apps.tasks.commands import facts, options, table
from apps.tasks.commands.screen import DIM, Screen, joined
from apps.tasks.commands.table import Column
from apps.tasks.models import TaskStatus

HELP = "the newest tasks that a search finds"
COLUMNS = (
    Column(title="ID", styles=lambda cell: (DIM,)),
    Column(title="STATE", styles=lambda cell: facts.STATE_COLOURS.get(cell, ())),
    Column(title="ACTOR"),
    Column(title="PROGRESS", is_number=True),
    Column(title="RAN", is_number=True),
    Column(title="AGE", is_number=True),
    Column(title="NOTE", gives_way=True),
)
#: Characters of an id in a table.
SHORT_LENGTH = 8


def add_arguments(parser: ArgumentParser) -> None:
    options.add_words(parser)
    options.add_limit(parser, default=20)
    options.add_json(parser)


def run(chosen: dict[str, Any], screen: Screen) -> None:
    line = search.parse(" ".join(chosen["words"]))
    found = line.find(TaskStatus.objects.all())
    tasks = facts.loaded(found.rows.order_by("-pk")[: chosen["limit"]])
    if screen.as_json:
        for task in tasks:
            screen.json(facts.of(task))
    elif not tasks:
        screen.line("There are no such tasks." if line else "There are no tasks.")
    else:
        table.write(screen, COLUMNS, [row(task) for task in tasks])
    if not screen.as_json and line and found.is_limited:
        screen.line(screen.painted(line.limit, DIM))


def row(task: TaskStatus) -> tuple[str, ...]:
    ran = facts.ran(task)
    return (
        task.task_id[:SHORT_LENGTH],
        facts.state(task),
        task.task_name,
        f"{task.progress} %" if task.progress else "",
        "" if ran is None else duration.in_words(ran),
        facts.ago(task.created_at),
        note(task),
    )


def note(task: TaskStatus) -> str:
    """Return its error, or else its step and its object."""
    return facts.error_line(task) or joined([task.progress_text, facts.related(task) or ""])
