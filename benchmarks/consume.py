"""The rate at which workers take no-op tasks, and the cost of a task.

Two worker processes with eight threads each (Celery: two processes) that have run a few tasks are frozen, all tasks
are sent, and the workers continue. The rate counts from the first start to the last end. The end of a task that has a
row is in the row.
"""

from benchmarks.rig.drain import Drained, drain
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import (
    ADMIN_POSTGRESQL,
    ADMIN_SQLITE,
    CELERY,
    CELERY_RESULTS,
    DRAMATIQ,
    DRAMATIQ_64,
    HUEY,
    OURS,
)
from benchmarks.rig.system import System

SETUPS = (DRAMATIQ, DRAMATIQ_64, HUEY, CELERY, CELERY_RESULTS, ADMIN_POSTGRESQL, ADMIN_SQLITE, *OURS)


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
        *figures(
            "consume, to prefetch 64", rates, unit="tasks/s", baseline=DRAMATIQ_64.name,
            goals=dict.fromkeys(ours, ">= 1.0x"), only=ours,
        ),
        *(
            figure
            for mine, peer in zip(OURS, (ADMIN_POSTGRESQL, ADMIN_SQLITE), strict=True)
            for figure in figures(
                "consume, to AdminMiddleware", rates, unit="tasks/s", baseline=peer.name,
                goals={mine.name: ">= 10x"}, only=[mine.name],
            )
        ),
        *figures(
            "processor time of a task", costs, unit="ms", baseline=DRAMATIQ.name, goals=dict.fromkeys(ours, "<= 1.5x")
        ),
    ]  # fmt: skip


def drain_noops(rig: Rig, system: System) -> Drained:
    count = rig.amount(12_000, quick=500)
    system.clear()
    with system.workers() as workers:
        return drain(rig, system, workers, count=count // 4 if system.setup.is_slow else count)
