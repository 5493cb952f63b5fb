"""`manage.py tasks cancel`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from apps.tasks import actions, audit, groups
from apps.tasks.commands import WRONG
from apps.tasks.models import TaskStatus

HELP = "cancel waiting tasks, and ask the workers of running ones to"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="id of a task")
    parser.add_argument("--group", metavar="KEY", help="cancel the unfinished tasks of a group, by its key")


def run(options: dict[str, Any], stdout: OutputWrapper) -> None:
    """Cancel tasks, and write a line for each. All are looked up before any is cancelled.

    Raises:
      CommandError: A task or the group is unknown, or none is named. Nothing was cancelled.
    """
    task_ids, group = options["ids"], options["group"]
    if bool(task_ids) == (group is not None):
        raise CommandError("Name the ids of tasks, or a group with --group KEY.", returncode=WRONG)
    if group is not None:
        _cancel_group(group, stdout)
        return
    known = set(TaskStatus.objects.filter(task_id__in=task_ids).values_list("task_id", flat=True))
    if unknown := [task_id for task_id in task_ids if task_id not in known]:
        told = ", ".join(map(repr, unknown))
        raise CommandError(f"Unknown task: {told}. Nothing was cancelled.", returncode=WRONG)
    for task_id in dict.fromkeys(task_ids):
        is_cancelled = actions.cancel(task_id, by=audit.by_terminal())
        task = TaskStatus.objects.only("status").filter(task_id=task_id).first()
        if is_cancelled:
            told = "is cancelled."
        elif task is None or task.is_finished:
            told = f"had ended: {'gone' if task is None else task.status}."
        else:
            told = "runs: its worker is asked to cancel it."
        stdout.write(f"{task_id} {told}")


def _cancel_group(key: str, stdout: OutputWrapper) -> None:
    found = groups.cancel(key)
    if found is None:
        raise CommandError(f"Unknown group {key!r}. Nothing was cancelled.", returncode=WRONG)
    cancelled, requested = found
    stdout.write(f"{cancelled:,} cancelled, {requested:,} run: their workers are asked to cancel them.")
