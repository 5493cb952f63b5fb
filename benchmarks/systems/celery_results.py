"""Celery with django-celery-results: a row a task, written when it ends."""

import time
from typing import Any

import django
from celery import Celery

from benchmarks.rig.journal import mark

app = Celery("benchmarks")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery reads this setting only under this name. Without it each task opens its own connection.
app.conf["CELERY_DB_REUSE_MAX"] = 10_000


@app.task
def noop(number: int) -> None:
    mark(number)


@app.task
def rest(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)


@app.task(bind=True)
def report(self: Any, number: int, count: int) -> None:
    mark(number)
    for step in range(count):
        self.update_state(state="PROGRESS", meta={"percent": 100 * step // count})


TASKS = {"noop": noop, "rest": rest, "report": report}


# --- The sender ---


def prepare() -> None:
    from django.core.management import call_command

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def send(task: str, number: int, *arguments: Any) -> None:
    TASKS[task].delay(number, *arguments)


def send_in_transaction(task: str, number: int) -> None:
    TASKS[task].delay_on_commit(number)


def states() -> dict[str, int]:
    from django.db.models import Count
    from django_celery_results.models import TaskResult

    return dict(TaskResult.objects.order_by().values_list("status").annotate(Count("pk")))


def is_done(count: int) -> bool:
    from django_celery_results.models import TaskResult

    return bool(TaskResult.objects.filter(status="SUCCESS").count() >= count)


def clear() -> None:
    from django_celery_results.models import TaskResult

    TaskResult.objects.all().delete()
