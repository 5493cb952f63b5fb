"""Is a long queue slower than a short one, and does a worker grow with it?

Measured are the rate at which tasks are taken while 100,000 or 1,000 of them wait, and the most memory that a worker
process has meanwhile.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.rig import processor
from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS, Setup
from benchmarks.rig.workers import Workers

#: Seconds between two looks at the memory.
LOOK_SECONDS = 0.1


@dataclass
class Peak:
    """The most memory that one worker process had, in megabytes."""

    megabytes: float = 0.0


def run(rig: Rig) -> list[Figure]:
    few, many = rig.amount(1_000, quick=100), rig.amount(100_000, quick=1_000)
    rates: list[dict[str, float]] = []
    peaks: list[dict[str, float]] = []
    for number in rig.rounds():
        rates.append({})
        peaks.append({})
        for setup in OURS:
            # A short queue is empty at once, so several of them are measured.
            for count, times in ((few, rig.amount(10, quick=2)), (many, 1)):
                name = f"{setup.name}, {count:,} waiting"
                rates[-1][name], peaks[-1][name] = _rate(rig, setup, number, count=count, times=times)
    found = []
    for setup in OURS:
        short, long = (f"{setup.name}, {count:,} waiting" for count in (few, many))
        both = [short, long]
        found += figures(
            f"rate while many wait, {setup.database}", rates, unit="tasks/s", baseline=short,
            goals={long: ">= 0.9x"}, only=both,
        )  # fmt: skip
        found += figures(
            f"memory of a worker, {setup.database}", peaks, unit="MB", baseline=short,
            goals={long: "<= 1.1x"}, only=both,
        )  # fmt: skip
    return found


def _rate(rig: Rig, setup: Setup, number: int, *, count: int, times: int) -> tuple[float, float]:
    system = rig.system(setup)
    system.clear()
    # The sends take longer than the silence after which frozen workers would be declared dead.
    patient = {} if rig.is_quick else {"WORKER_HEARTBEAT_TIMEOUT_SECONDS": "120"}
    with system.workers(variables=patient) as workers, _watched(workers) as peak:
        seconds = sum(drain(rig, system, workers, count=count).seconds for _ in range(times))
    rate = count * times / seconds
    rig.log_round("backlog", number, system, f"{count:,} waiting: {rate:,.0f}/s, {peak.megabytes:.0f} MB")
    return rate, peak.megabytes


@contextmanager
def _watched(workers: Workers) -> Iterator[Peak]:
    """Watch the memory of the worker processes."""
    peak, stop = Peak(), threading.Event()
    processes = workers.processes("--single")

    def watch() -> None:
        while not stop.wait(LOOK_SECONDS):
            peak.megabytes = max(peak.megabytes, *(processor.resident_bytes(found) / 1e6 for found in processes))

    thread = threading.Thread(target=watch, name="memory")
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
