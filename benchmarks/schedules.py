"""The delay of slots, and the cost of an idle scheduler.

One scheduler has ten thousand schedules. First no slot comes, and the processor time is measured. Then a tenth of the
schedules have one slot each within half a minute, spread evenly. Then two hundred have a slot at the same time. A delay
counts from the slot to the task's row.
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
#: Seconds over which the slots are spread, and in which the idle scheduler is measured.
SPREAD_SECONDS = 30
IDLE_SECONDS = 20
#: The scheduler is idle once it takes less than this share of a core for `LOOK_SECONDS`.
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
                    delays_ms = _delays_ms(rig, system, count=count, seconds=seconds)
                    for share in (0.5, 0.99):
                        measure = f"slots sent late, {name}, p{share * 100:.0f}"
                        found.setdefault(measure, {})[system.name] = percentile(delays_ms, share)
                    rig.log_round(
                        "schedules", number, system,
                        f"{name}: p50 {percentile(delays_ms, 0.5):.1f} ms, p99 {percentile(delays_ms, 0.99):.1f} ms; "
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
    """Return the per cent of a core that the processes take."""
    began, before = time.monotonic(), processor.seconds_of(pids)
    time.sleep(0.5 if rig.is_quick else IDLE_SECONDS)
    return 100 * (processor.seconds_of(pids) - before) / (time.monotonic() - began)


def _delays_ms(rig: Rig, system: System, *, count: int, seconds: float) -> list[float]:
    """Let slots come and return the delay of each in milliseconds."""
    lead_seconds = 0.5 if rig.is_quick else LEAD_SECONDS
    system.call("let_slots_come", count=count, lead_seconds=lead_seconds, seconds=seconds)
    timeout, every = lead_seconds + seconds + 60, 0.1 if rig.is_quick else 0.5
    delays_ms: list[float] = wait_until(lambda: system.call("delays_ms", count=count), timeout=timeout, every=every)
    return delays_ms
