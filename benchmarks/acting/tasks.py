"""The actors. Each marks its start in the journal of its process, like those of the peers."""

import os
import time

import dramatiq

from apps.tasks import progress
from benchmarks.rig.holding import hold_until
from benchmarks.rig.journal import mark


@dramatiq.actor(actor_name="benchmarks.noop")
def noop(number: int) -> None:
    mark(number)


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


if os.environ.get("BENCHMARKS_ISOLATED"):
    from benchmarks.acting.isolated import hold_isolated, noop_isolated  # noqa: F401
