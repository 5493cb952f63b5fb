"""The sender."""

from collections.abc import Iterable
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.db.models import Count  # noqa: E402
from django_tasks_db.models import DBTaskResult  # noqa: E402

from benchmarks.acting import django_tasks  # noqa: E402


def prepare() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)


def send(task: str, number: int, *arguments: Any) -> None:
    getattr(django_tasks, task).enqueue(number, *arguments)


def send_many(task: str, numbers: Iterable[int], *arguments: Any) -> None:
    # It has no such function. A project can use one transaction.
    with transaction.atomic():
        for number in numbers:
            send(task, number, *arguments)


def states() -> dict[str, int]:
    return dict(DBTaskResult.objects.order_by().values_list("status").annotate(Count("pk")))


def is_done(count: int) -> bool:
    return bool(DBTaskResult.objects.filter(status="SUCCESSFUL").count() >= count)


def clear() -> None:
    DBTaskResult.objects.all().delete()
