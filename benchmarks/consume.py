"""The rate at which workers take no-op tasks, and the cost of a task.

Two worker processes with eight threads each (Celery: two processes) that have run a few tasks are frozen, all tasks
are sent, and the workers continue. The rate counts from the first start to the last end. The end of a task that has a
row is in the row.
"""

from collections.abc import Sequence

from benchmarks.rig.drain import Drained, drain
from benchmarks.rig.figures import Figure, Round, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import (
    ADMIN_POSTGRESQL,
    ADMIN_SQLITE,
    ASYNC,
    CELERY,
    CELERY_RESULTS,
    DRAMATIQ,
    DRAMATIQ_64,
    HUEY,
    OURS,
    PGQUEUER_ASYNC,
    PGQUEUER_THREADS,
    POSTGRESQL,
    PROCRASTINATE,
    SQLITE,
    TASKIQ,
)
from benchmarks.rig.system import System

SETUPS = (
    DRAMATIQ, DRAMATIQ_64, HUEY, TASKIQ, CELERY, CELERY_RESULTS, PGQUEUER_ASYNC, PGQUEUER_THREADS, PROCRASTINATE,
    ADMIN_POSTGRESQL, ADMIN_SQLITE, *OURS, ASYNC,
)  # fmt: skip
#: Measures beside one peer: its name, the peer, and the goals of ours.
COMPARISONS = (
    ("consume, to prefetch 64", DRAMATIQ_64, {setup.name: ">= 1.2x" for setup in OURS}),
    ("consume, to pgqueuer in threads", PGQUEUER_THREADS, {POSTGRESQL.name: ">= 1.25x"}),
    ("consume async, to pgqueuer", PGQUEUER_ASYNC, {ASYNC.name: ">= 1.0x"}),
    ("consume, to AdminMiddleware", ADMIN_POSTGRESQL, {POSTGRESQL.name: ">= 10x"}),
    ("consume, to AdminMiddleware", ADMIN_SQLITE, {SQLITE.name: ">= 10x"}),
)


def run(rig: Rig) -> list[Figure]:
    systems = rig.systems(*SETUPS)
    for system in systems:
        system.start_early()
    rates: list[dict[str, float]] = []
    costs: list[dict[str, float]] = []
    for number in rig.rounds():
        drained = {}
        for system in systems:
            found = drained[system.name] = drain_noops(rig, system)
            text = f"{found.count:,} tasks, {found.per_second:,.0f}/s, {found.processor_ms:.2f} ms"
            rig.log_round("consume", number, system, text)
        rates.append({name: found.per_second for name, found in drained.items()})
        costs.append({name: found.processor_ms for name, found in drained.items()})
    ours = [setup.name for setup in OURS]
    return [
        *figures("consume", rates, unit="tasks/s", baseline=DRAMATIQ.name, goals=dict.fromkeys(ours, ">= 1.7x")),
        *compared(rates),
        *figures(
            "processor time of a task", costs, unit="ms", baseline=DRAMATIQ.name, goals=dict.fromkeys(ours, "<= 0.08")
        ),
    ]


def compared(rates: Sequence[Round]) -> list[Figure]:
    """Return the figures of ours beside each peer that was measured."""
    return [
        figure
        for measure, peer, goals in COMPARISONS
        if peer.name in rates[0]
        for figure in figures(measure, rates, unit="tasks/s", baseline=peer.name, goals=goals, only=list(goals))
    ]


def drain_noops(rig: Rig, system: System) -> Drained:
    count = rig.amount(12_000, quick=500)
    system.clear()
    with system.workers() as workers:
        return drain(rig, system, workers, count=count // 4 if system.setup.is_slow else count, task=system.setup.noop)
