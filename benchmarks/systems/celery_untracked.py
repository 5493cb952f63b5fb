"""Celery on Redis without results: tasks are not tracked."""

import os
import time

from celery import Celery

from benchmarks.rig.journal import mark

app = Celery("benchmarks", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task
def noop(number: int) -> None:
    mark(number)


@app.task
def rest(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)


TASKS = {"noop": noop, "rest": rest}


def send(task: str, number: int, *arguments: object) -> None:
    TASKS[task].delay(number, *arguments)


def send_in_transaction(task: str, number: int) -> None:
    from django.db import transaction

    transaction.on_commit(lambda: send(task, number))
