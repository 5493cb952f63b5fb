"""The same tasks for Django's Tasks API. Whichever backend the settings name runs them."""

import time

from django_tasks import task

from benchmarks.rig.journal import mark


@task
def noop(number: int) -> None:
    mark(number)


@task
def rest(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)
