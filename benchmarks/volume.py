"""Is a full table slower than an empty one?

Measured as in `consume`, with an empty table of tasks and with one that holds a million finished tasks.
"""

from dataclasses import replace

from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS, Setup


def run(rig: Rig) -> list[Figure]:
    size = rig.rows or rig.amount(1_000_000, quick=2_000)
    pairs = [(setup, replace(setup, name=f"{setup.name}, {size:,} rows")) for setup in OURS]
    for system in rig.systems(*(setup for pair in pairs for setup in pair)):
        system.start_early()
    for _, full in pairs:
        _fill(rig, full, size=size)
    rounds: list[dict[str, float]] = []
    for number in rig.rounds():
        rounds.append({})
        for pair in pairs:
            for setup in pair:
                rounds[-1][setup.name] = _rate(rig, setup, number, is_empty=setup in OURS)
    return [
        figure
        for empty, full in pairs
        for figure in figures(
            f"consume with {size:,} rows, {empty.database}", rounds, unit="tasks/s", baseline=empty.name,
            goals={full.name: ">= 0.9x"}, only=[empty.name, full.name],
        )
    ]  # fmt: skip


def _fill(rig: Rig, setup: Setup, *, size: int) -> None:
    system = rig.system(setup)
    with system.workers():
        pass  # A task that warms them up is copied.
    rig.log(f"volume: {setup.name}: filling the table")
    system.call("fill", count=size)


def _rate(rig: Rig, setup: Setup, number: int, *, is_empty: bool) -> float:
    system = rig.system(setup)
    if is_empty:
        system.clear()
    with system.workers() as workers:
        rate = drain(rig, system, workers, count=rig.amount(12_000, quick=300)).per_second
    rig.log_round("volume", number, system, f"{rate:,.0f}/s")
    return rate
