"""Isolated actors. Only workers that BENCHMARKS_ISOLATED is set for know them: each starts a server for them."""

import dramatiq

from benchmarks.rig.holding import hold_until
from benchmarks.rig.journal import mark


@dramatiq.actor(actor_name="benchmarks.noop_isolated", isolate=True)
def noop_isolated(number: int) -> None:
    mark(number)


@dramatiq.actor(actor_name="benchmarks.hold_isolated", isolate=True)
def hold_isolated(number: int, path: str) -> None:
    mark(number)
    hold_until(path)
