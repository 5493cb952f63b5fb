"""How late is a slot sent, and what does a scheduler cost that has nothing to do?

One scheduler over ten thousand schedules. First all of them are rare: what does waiting cost? Then a tenth of them
comes once within half a minute, spread evenly, and then two hundred come in the same moment. A delay is from the slot
to the task's row.
"""

import time

from benchmarks.rig import processor
from benchmarks.rig.figures import Figure, figures, percentile
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS
from benchmarks.rig.system import System
from tests.commands import manage
from tests.waiting import wait_until

SCHEDULES = 10_000
SPREAD = 1_000
AT_ONCE = 200
#: How long the spread slots take, and how long the scheduler is watched while it has nothing to do.
SPREAD_SECONDS = 30
IDLE_SECONDS = 20
#: It has nothing more to do once it takes less than this share of a core for so long.
BUSY_SHARE = 0.1
LOOK_SECONDS = 1.0
LEAD_SECONDS = 2.0


def run(rig: Rig) -> list[Figure]:
    shares: list[dict[str, float]] = []
    delays: dict[str, list[dict[str, float]]] = {}
    for number in rig.rounds():
        shares.append({})
        found: dict[str, dict[str, float]] = {}
        for system in rig.systems(*OURS):
            system.clear()
            system.call("make_schedules", count=rig.amount(SCHEDULES, quick=100))
            with system.workers(is_cold=True, commands=[manage("runscheduler")]) as scheduler:
                _wait_until_started(rig, system, scheduler.pids)
                shares[-1][system.name] = _idle(rig, scheduler.pids)
                for name, count, seconds in (
                    ("spread", rig.amount(SPREAD, quick=10), 1 if rig.is_quick else SPREAD_SECONDS),
                    ("at once", rig.amount(AT_ONCE, quick=10), 0),
                ):
                    late = _late(rig, system, count=count, seconds=seconds)
                    for share in (0.5, 0.99):
                        measure = f"slots sent late, {name}, p{share * 100:.0f}"
                        found.setdefault(measure, {})[system.name] = percentile(late, share)
                    rig.tell(
                        "schedules", number, system,
                        f"{name}: p50 {percentile(late, 0.5):.1f} ms, p99 {percentile(late, 0.99):.1f} ms; "
                        f"idle: {shares[-1][system.name]:.2f} % of a core",
                    )  # fmt: skip
        for measure, values in found.items():
            delays.setdefault(measure, []).append(values)
    goals = dict.fromkeys((setup.name for setup in OURS), "<= 1")
    found_all = [figure for measure, rounds in delays.items() for figure in figures(measure, rounds, unit="ms")]
    return [*found_all, *figures("idle scheduler, share of a core", shares, unit="%", goals=goals)]


def _wait_until_started(rig: Rig, system: System, pids: list[int]) -> None:
    wait_until(lambda: system.call("is_scheduling"), timeout=60, every=0.2)
    look_seconds = 0.2 if rig.is_quick else LOOK_SECONDS
    while True:
        before = processor.seconds_of(pids)
        time.sleep(look_seconds)
        used = processor.seconds_of(pids)
        if used - before < BUSY_SHARE * look_seconds:
            return


def _idle(rig: Rig, pids: list[int]) -> float:
    """Per cent of a core."""
    began, before = time.monotonic(), processor.seconds_of(pids)
    time.sleep(0.5 if rig.is_quick else IDLE_SECONDS)
    return 100 * (processor.seconds_of(pids) - before) / (time.monotonic() - began)


def _late(rig: Rig, system: System, *, count: int, seconds: float) -> list[float]:
    """How late so many slots were sent, in milliseconds."""
    lead_seconds = 0.5 if rig.is_quick else LEAD_SECONDS
    system.call("let_come", count=count, lead_seconds=lead_seconds, seconds=seconds)
    timeout, every = lead_seconds + seconds + 60, 0.1 if rig.is_quick else 0.5
    late: list[float] = wait_until(lambda: system.call("how_late", count=count), timeout=timeout, every=every)
    return late
