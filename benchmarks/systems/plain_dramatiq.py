"""Dramatiq on Redis with its defaults: tasks are not tracked, and those of a dead process are lost for a long time."""

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.rig.holding import hold_until
from benchmarks.rig.journal import mark

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))


@dramatiq.actor
def noop(number: int) -> None:
    mark(number)


@dramatiq.actor
def rest(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)


@dramatiq.actor
def hold(number: int, path: str) -> None:
    mark(number)
    hold_until(path)


ACTORS: dict[str, dramatiq.Actor[..., None]] = {"noop": noop, "rest": rest, "hold": hold}


def send(task: str, number: int, *arguments: object) -> None:
    ACTORS[task].send(number, *arguments)


def send_in_transaction(task: str, number: int) -> None:
    """Send after the commit, as is usual without a ledger. A crash in between loses the task."""
    from django.db import transaction

    transaction.on_commit(lambda: send(task, number))
