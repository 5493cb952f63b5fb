"""The actors."""

import time

import dramatiq

from benchmarks.rig.journal import mark


@dramatiq.actor
def noop(number: int) -> None:
    mark(number)


@dramatiq.actor
def rest(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)
