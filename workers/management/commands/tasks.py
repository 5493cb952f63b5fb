"""`manage.py tasks`: work on tasks in a terminal."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.tasks import groups, ledger
from apps.tasks.models import TaskStatus

#: Exit code for invalid arguments, the same as that of argparse.
WRONG = 2


class Command(BaseCommand):
    help = "Works on tasks. `cancel` cancels tasks by their ids, or all tasks of a group."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        subparsers = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        cancel = subparsers.add_parser("cancel", help="cancel waiting tasks, and ask the workers of running ones to")
        cancel.add_argument("ids", nargs="*", metavar="ID", help="id of a task")
        cancel.add_argument("--group", metavar="KEY", help="cancel the unfinished tasks of a group, by its key")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.cancel(options["ids"], group=options["group"])
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from None

    def cancel(self, task_ids: list[str], *, group: str | None) -> None:
        """Cancel tasks, and write a line for each. All are looked up before any is cancelled."""
        if bool(task_ids) == (group is not None):
            raise CommandError("Name the ids of tasks, or a group with --group KEY.", returncode=WRONG)
        if group is not None:
            self.cancel_group(group)
            return
        known = set(TaskStatus.objects.filter(task_id__in=task_ids).values_list("task_id", flat=True))
        if unknown := [task_id for task_id in task_ids if task_id not in known]:
            told = ", ".join(map(repr, unknown))
            raise CommandError(f"Unknown task: {told}. Nothing was cancelled.", returncode=WRONG)
        for task_id in dict.fromkeys(task_ids):
            is_cancelled = ledger.cancel(task_id)
            task = TaskStatus.objects.only("status").filter(task_id=task_id).first()
            if is_cancelled:
                told = "is cancelled."
            elif task is None or task.is_finished:
                told = f"had ended: {'gone' if task is None else task.status}."
            else:
                told = "runs: its worker is asked to cancel it."
            self.stdout.write(f"{task_id} {told}")

    def cancel_group(self, key: str) -> None:
        found = groups.cancel(key)
        if found is None:
            raise CommandError(f"Unknown group {key!r}. Nothing was cancelled.", returncode=WRONG)
        cancelled, requested = found
        self.stdout.write(f"{cancelled:,} cancelled, {requested:,} run: their workers are asked to cancel them.")
