"""The actors. Each marks its start in the journal of its process, like those of the peers."""

import asyncio
import itertools
import logging
import os
import time

import dramatiq
from django.db import connection

from apps.tasks import progress
from benchmarks.acting import django_tasks as django_tasks
from benchmarks.rig.holding import hold_until
from benchmarks.rig.journal import mark

logger = logging.getLogger(__name__)
#: Of all others the benchmarks show warnings alone.
logger.setLevel(logging.INFO)


@dramatiq.actor(actor_name="benchmarks.noop")
def noop(number: int) -> None:
    mark(number)


@dramatiq.actor(actor_name="benchmarks.noop_async")
async def noop_async(number: int) -> None:
    mark(number)


@dramatiq.actor(actor_name="benchmarks.tell")
def tell(number: int) -> None:
    """Log a line."""
    mark(number)
    logger.info("reads chapter %d", number)


@dramatiq.actor(actor_name="benchmarks.noop_at_once", concurrency=64)
def noop_at_once(number: int) -> None:
    mark(number)


@dramatiq.actor(actor_name="benchmarks.noop_by_key", concurrency=2, limit_key=lambda number: number % 1_000)
def noop_by_key(number: int) -> None:
    mark(number)


@dramatiq.actor(actor_name="benchmarks.noop_in_turns", fair_by=lambda number: number % 8)
def noop_in_turns(number: int) -> None:
    mark(number)


@dramatiq.actor(actor_name="benchmarks.rest_one_at_a_time", concurrency=1)
def rest_one_at_a_time(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)


@dramatiq.actor(actor_name="benchmarks.rest")
def rest(number: int, seconds: float) -> None:
    """Take that time without using the processor."""
    mark(number)
    time.sleep(seconds)


@dramatiq.actor(actor_name="benchmarks.hold")
def hold(number: int, path: str) -> None:
    mark(number)
    hold_until(path)


@dramatiq.actor(actor_name="benchmarks.report")
def report(number: int, count: int) -> None:
    """Report progress `count` times."""
    mark(number)
    for step in range(count):
        progress.set(100 * step / count)


@dramatiq.actor(actor_name="benchmarks.save")
def save(number: int, count: int) -> None:
    """Report progress with a `save()` each, into a row of the task's own."""
    from benchmarks.notes.models import Note

    mark(number)
    if count:
        note = Note.objects.create(text=str(number))
    for step in range(count):
        note.progress = 100 * step // count
        note.save(update_fields=["progress"])


# --- Tasks that run until they are cancelled ---


@dramatiq.actor(actor_name="benchmarks.track_on")
def track_on(number: int) -> None:
    mark(number)
    for _ in progress.track(range(100_000), "Steps"):
        time.sleep(0.01)


@dramatiq.actor(actor_name="benchmarks.count_on")
def count_on(number: int) -> None:
    mark(number)
    for _ in itertools.count():
        pass


@dramatiq.actor(actor_name="benchmarks.query_on")
def query_on(number: int) -> None:
    mark(number)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sleep(600)")
        else:
            cursor.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n")


@dramatiq.actor(actor_name="benchmarks.await_on")
async def await_on(number: int) -> None:
    mark(number)
    await asyncio.sleep(600)


@dramatiq.actor(actor_name="benchmarks.sleep_on")
def sleep_on(number: int) -> None:
    mark(number)
    while True:
        time.sleep(1)


if os.environ.get("BENCHMARKS_ISOLATED"):
    from benchmarks.acting.isolated import hold_isolated, noop_isolated  # noqa: F401
