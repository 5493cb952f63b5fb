"""Is a full table slower than an empty one?

Measured as in `consume`, with an empty table of tasks and with one that holds a million finished tasks. Then the list
of tasks in the admin, with 1,000 tasks of every state and with as many as a table holds: a million, 200,000 on SQLite.
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
        fill(rig, full, size=size)
    rounds: list[dict[str, float]] = []
    for number in rig.rounds():
        rounds.append({})
        for pair in pairs:
            for setup in pair:
                rounds[-1][setup.name] = _rate(rig, setup, number, is_empty=setup in OURS)
    return list_figures(rig) + [
        figure
        for empty, full in pairs
        for figure in figures(
            f"consume with {size:,} rows, {empty.database}", rounds, unit="tasks/s", baseline=empty.name,
            goals={full.name: ">= 0.9x"}, only=[empty.name, full.name],
        )
    ]  # fmt: skip


def list_figures(rig: Rig) -> list[Figure]:
    """Measure each search of the list, its first page and its last. The time is that of the server."""
    found = []
    for setup in OURS:
        sqlite = setup.database == "sqlite"
        size = rig.rows or rig.amount(200_000 if sqlite else 1_000_000, quick=2_000)
        names = [f"{setup.name}, {count:,} tasks" for count in (1_000, size)]
        rounds = []
        for name, count in zip(names, (1_000, size), strict=True):
            rig.log(f"volume: the list of {name}")
            rounds.append((name, rig.system(setup).call("list_ms", count=count)))
        for view in rounds[0][1]:
            values = {name: times[view] for name, times in rounds}
            goals = {names[1]: "<= 2x"}
            found += figures(f"list {view}, p95, {setup.database}", [values], unit="ms", baseline=names[0], goals=goals)
    return found


def fill(rig: Rig, setup: Setup, *, size: int) -> None:
    """Add this number of copies of a finished task to the table."""
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
