"""huey on Redis with worker threads: tasks are not tracked."""

import os
import time

from huey import RedisHuey

from benchmarks.rig.journal import mark

huey = RedisHuey("benchmarks", url=os.environ["REDIS_URL"])


@huey.task()
def noop(number: int) -> None:
    mark(number)


@huey.task()
def rest(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)


TASKS = {"noop": noop, "rest": rest}


def send(task: str, number: int, *arguments: object) -> None:
    TASKS[task](number, *arguments)


def send_in_transaction(task: str, number: int) -> None:
    from django.db import transaction

    transaction.on_commit(lambda: send(task, number))
