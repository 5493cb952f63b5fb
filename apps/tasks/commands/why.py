"""`manage.py tasks why`."""

from argparse import ArgumentParser
from typing import Any

from apps.tasks import ledger
from apps.tasks.commands import DONE, FAILED, facts, options
from apps.tasks.commands.screen import DIM, YELLOW, Screen, shown

HELP = "why a task waits, that a worker holds it, or how it ended, in a sentence"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("task_id", metavar="ID", help="the task's id, or the beginning of it")
    options.add_json(parser)


def run(chosen: dict[str, Any], screen: Screen) -> int:
    task = facts.find(chosen["task_id"])
    why = ledger.why(task)
    if screen.as_json:
        screen.json(
            {
                "id": task.task_id,
                "status": task.status,
                "kind": why.kind,
                "text": why.text,
                "remedy": why.remedy,
                "is_trouble": why.is_trouble,
            }
        )
    else:
        screen.line(screen.painted(shown(why.text), *((YELLOW,) if why.is_trouble else ())))
        if why.remedy:
            screen.line(screen.painted(shown(why.remedy), DIM))
    return FAILED if why.is_trouble else DONE
