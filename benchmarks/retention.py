"""How long do old tasks take to go, does anything wait for it, and does the table stay small?

The rows ended within 100 days, evenly, and completed tasks are kept for 7. They are deleted as a relay does it, step by
step with its pauses. Beside it tasks are sent, and workers drain tasks. Then a month is simulated.
"""

from typing import Any

from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, percentile
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import POSTGRESQL, SQLITE, Setup
from benchmarks.rig.system import System

#: Rows of each database. `--rows` may say another number, on SQLite no larger one.
ROWS = 1_000_000
#: Days of the simulation. In the first 7 the table fills, in the next the space of deleted rows comes into use.
MONTH, FULL_DAY = 37, 14
#: Tasks on each of these days, at most.
PER_DAY = 30_000
SENDS_A_SECOND = 20
#: Variables of workers whose relay deletes nothing.
KEEPING = {f"TASK_KEEP_{state}_DAYS": "0" for state in ("COMPLETED", "CANCELLED", "FAILED")}


def run(rig: Rig) -> list[Figure]:
    found = []
    for setup in (POSTGRESQL, SQLITE):
        found += _run(rig, setup, count=_count(rig, setup))
    return found


def _run(rig: Rig, setup: Setup, *, count: int) -> list[Figure]:
    system = rig.system(setup)
    with system.workers(variables=KEEPING):
        pass  # A task that warms them up is copied.
    rig.log(f"retention: {setup.name}: making {count:,} rows")
    system.call("old_tasks", function="make_older", days=1_000)
    system.call("old_tasks", function="fill_old", count=count)
    full = system.call("old_tasks", function="size")
    rig.log(f"retention: {setup.name}: {full}")
    quiet = _waits(rig, system)
    system.call("old_tasks", function="start_retaining")
    beside = _waits(rig, system)
    rig.log(f"retention: {setup.name}: sends: alone {_longest(quiet)}, beside deletion {_longest(beside)}")
    some = system.call("old_tasks", function="stop_retaining")
    rates = _rates(rig, system)
    # The rest without pauses, which no relay does: it takes long enough.
    system.call("old_tasks", function="start_retaining", pause_seconds=0)
    hard: list[float] = []
    while system.call("old_tasks", function="is_retaining"):
        hard += _waits(rig, system, count=SENDS_A_SECOND)
    rest = system.call("old_tasks", function="stop_retaining")
    rig.log(f"retention: {setup.name}: {_told(some)}; without pauses: {_told(rest)}, sends {_longest(hard)}")
    after = system.call("old_tasks", function="size")
    rig.log(f"retention: {setup.name}: {after}")
    system.clear()
    with system.workers(variables=KEEPING):
        pass
    days = system.call("old_tasks", function="month", per_day=min(max(count // 100, 100), PER_DAY), days=MONTH)
    for number in range(7, MONTH, 7):
        rig.log(f"retention: {setup.name}: day {number + 1}: {days[number]}")
    whole = "whole" if setup is SQLITE else "table"
    growth = _bytes(days[-1]) / _bytes(days[FULL_DAY])
    steps = some["steps_ms"]
    rate = some["deleted"] / max(some["seconds"], 0.001)

    def figure(measure: str, value: float, unit: str, goal: str = "") -> Figure:
        return Figure(measure=f"{measure}, {setup.database}", system=setup.name, value=value, unit=unit, goal=goal)

    return [
        figure(f"a row of {count:,} with its indexes", _bytes(full) / max(full["rows"], 1), "bytes"),
        figure("old tasks deleted, with pauses", rate, "rows/s"),
        figure("old tasks deleted, without", rest["deleted"] / max(rest["seconds"], 0.001), "rows/s"),
        figure("a step of deletion, p99", percentile(steps, 0.99), "ms"),
        figure("a step of deletion, longest", max(steps), "ms"),
        figure("a send alone, longest wait", max(quiet), "ms"),
        figure("a send beside deletion, p99", percentile(beside, 0.99), "ms"),
        figure("a send beside deletion, longest wait", max(beside), "ms"),
        figure("rate of workers beside deletion", rates, "x", "" if rig.is_quick else ">= 0.9"),
        figure(f"size after a month, to that of day {FULL_DAY + 1} ({whole})", growth, "x", "<= 1.2"),
    ]


def _count(rig: Rig, setup: Setup) -> int:
    if rig.rows is None:
        return rig.amount(ROWS, quick=2_000)
    return min(rig.rows, ROWS) if setup is SQLITE else rig.rows


def _bytes(size: dict[str, int]) -> int:
    """Return the bytes of table and indexes, on SQLite of the file."""
    return size["table"] + size["indexes"] or size["whole"]


def _told(found: dict[str, Any]) -> str:
    steps = _longest(found["steps_ms"])
    return f"{found['deleted']:,} rows in {found['seconds']:.1f} s, {len(found['steps_ms']):,} steps, {steps}"


def _longest(waits: list[float]) -> str:
    return f"p99 {percentile(waits, 0.99):.1f} ms, longest {max(waits):.1f} ms"


def _waits(rig: Rig, system: System, *, count: int = 0) -> list[float]:
    count = count or rig.amount(60 * SENDS_A_SECOND, quick=SENDS_A_SECOND)
    first = system.take_numbers(count)
    found: list[float] = system.call("send_waits_ms", first=first, count=count, every_seconds=1 / SENDS_A_SECOND)
    return found


def _rates(rig: Rig, system: System) -> float:
    """Return the rate of workers beside a deletion, relative to that without, of a median round."""
    ratios = []
    for number in rig.rounds():
        system.call("old_tasks", function="start_retaining")
        with system.workers(variables=KEEPING) as workers:
            beside = drain(rig, system, workers, count=rig.amount(12_000, quick=300), is_counted=False).per_second
            found = system.call("old_tasks", function="stop_retaining")
            alone = drain(rig, system, workers, count=rig.amount(12_000, quick=300), is_counted=False).per_second
        rig.log_round("retention", number, system, f"{beside:,.0f}/s beside ({_told(found)}), {alone:,.0f}/s alone")
        ratios.append(beside / alone)
    return sorted(ratios)[len(ratios) // 2]
