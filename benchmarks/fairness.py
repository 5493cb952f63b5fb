"""Does a short task wait behind a long one while another process is idle?

Two worker processes with one thread each have run short tasks. One long task is sent, then short ones: first steadily,
fifty a second, then all at once. One process is idle all the time, so the short tasks need not wait for the long one.
The worst wait is measured, from just before the send to the start.
"""

import time

from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import CELERY, DRAMATIQ, HUEY, OURS
from benchmarks.rig.system import System

SETUPS = (DRAMATIQ, HUEY, CELERY, *OURS)
LONG_SECONDS = 3.0
#: In milliseconds. An idle process takes a short task sooner, also on a busy machine. More is a wait for the long one.
GOAL = "<= 250"


def run(rig: Rig) -> list[Figure]:
    systems = rig.systems(*SETUPS)
    for system in systems:
        system.start_early(threads=1)
    steady: list[dict[str, float]] = []
    burst: list[dict[str, float]] = []
    for number in rig.rounds():
        steady.append({})
        burst.append({})
        for system in systems:
            steady[-1][system.name], burst[-1][system.name] = _worst_ms(rig, system, number)
    goals = {setup.name: GOAL for setup in OURS}
    return [
        *figures("worst wait beside a long task, steady", steady, unit="ms", baseline=DRAMATIQ.name, goals=goals),
        *figures("worst wait beside a long task, burst", burst, unit="ms", baseline=DRAMATIQ.name, goals=goals),
    ]


def _worst_ms(rig: Rig, system: System, number: int) -> tuple[float, float]:
    long_seconds = 0.5 if rig.is_quick else LONG_SECONDS
    short = int(long_seconds * 40)
    system.clear()
    with system.workers(threads=1) as workers:
        used_to_short = system.send("noop", count=200)
        workers.wait_for_marks(used_to_short, 200)

        workers.wait_for_marks(system.send("rest", long_seconds), 1)
        first = system.take_numbers(short)
        sent = system.call("send_steadily", first=first, count=short, every_seconds=0.02)
        marks = workers.wait_for_marks(first, short)
        steady = max(at - timestamp for (_, at, _), timestamp in zip(marks, sent, strict=True))
        time.sleep(long_seconds / 2)  # The long one has ended now.

        system.send("rest", long_seconds)
        began = time.monotonic()
        first = system.send("noop", count=short)
        burst = max(at for _, at, _ in workers.wait_for_marks(first, short)) - began
        time.sleep(max(began + long_seconds - time.monotonic(), 0))
        system.settle(workers)
    rig.log_round(
        "fairness", number, system, f"worst wait {steady * 1000:,.0f} ms steady, {burst * 1000:,.0f} ms burst"
    )
    return steady * 1000, burst * 1000
