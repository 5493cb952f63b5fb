"""`manage.py tasks stack`: the stack of a running task."""

from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.core.management.base import CommandError

from apps.tasks import stacks
from apps.tasks.commands import facts
from apps.tasks.commands.screen import Screen, shown
from apps.tasks.models import TaskStack, TaskStatus

HELP = "the stack of a running task, as its worker sees it now"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("task_id", metavar="ID", help="the task's id, or the beginning of it")
    parser.add_argument("--all", action="store_true", help="show the calls inside of libraries as well")


def run(chosen: dict[str, Any], screen: Screen) -> None:
    task = facts.find(chosen["task_id"])
    stacks.ask(task)
    answer = stacks.wait(task)
    if answer is None:
        raise CommandError(stacks.why_unanswered(task))
    for line in lines(task, answer, is_whole=chosen["all"]):
        screen.line(shown(line))


def lines(task: TaskStatus, stack: TaskStack, *, is_whole: bool = False) -> Iterator[str]:
    """Yield the lines of a stack, the innermost call last.

    Parameters:
      is_whole: Show the calls inside of libraries as well.
    """
    yield f"{task.task_name} id={task.task_id} attempt={stack.attempt} at {stack.answered_at:%Y-%m-%dT%H:%M:%SZ}"
    for is_library, group in groupby(stacks.frames_of(stack), key=lambda frame: frame.is_library):
        calls = list(group)
        if is_library and not is_whole:
            yield f"  ({len(calls)} {'call' if len(calls) == 1 else 'calls'} in libraries)"
        else:
            for call in calls:
                yield from call.lines
