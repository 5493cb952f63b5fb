"""The cost of a limit.

No-op tasks of actors with limits are taken beside those of an actor without one, as in `consume`: sixty-four at once,
two of a thousand keys each, and eight keys that take turns. Then the time that a freed place stays free.
"""

from itertools import pairwise

from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, figures, percentile
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS
from benchmarks.rig.system import System

#: Tasks by the limit of their actor.
TASKS = {"none": "noop", "at once": "noop_at_once", "by key": "noop_by_key", "turns": "noop_in_turns"}
#: In milliseconds.
GOAL = "<= 50"


def run(rig: Rig) -> list[Figure]:
    rates: list[dict[str, float]] = []
    gaps: list[dict[str, float]] = []
    for number in rig.rounds():
        rates.append({})
        gaps.append({})
        for setup in OURS:
            system = rig.system(setup)
            for limit, task in TASKS.items():
                rates[-1][f"{setup.name}, {limit}"] = _rate(rig, system, number, task)
            gaps[-1][setup.name] = _gap_ms(rig, system, number)
    result = []
    for setup in OURS:
        names = [f"{setup.name}, {limit}" for limit in TASKS]
        result += figures(
            f"consume with a limit, {setup.database}", rates, unit="tasks/s", baseline=names[0], only=names
        )
        result += figures(
            f"a place stays free, {setup.database}", gaps, unit="ms", goals={setup.name: GOAL}, only=[setup.name]
        )
    return result


def _rate(rig: Rig, system: System, number: int, task: str) -> float:
    count = rig.amount(4_000, quick=200)
    system.clear()
    with system.workers() as workers:
        found = drain(rig, system, workers, count=count, task=task)
    rig.log_round("limited", number, system, f"{task}: {found.per_second:,.0f}/s")
    return found.per_second


def _gap_ms(rig: Rig, system: System, number: int) -> float:
    """Return the median time from the end of a task to the start of the next one that waits for its place."""
    count, rest_seconds = rig.amount(100, quick=10), 0.02
    system.clear()
    with system.workers() as workers:
        first = system.send("rest_one_at_a_time", rest_seconds, count=count)
        starts = sorted(at for _, at, _ in workers.wait_for_marks(first, count))
        system.settle(workers)
    gap = percentile([(late - early - rest_seconds) * 1000 for early, late in pairwise(starts)], 0.5)
    rig.log_round("limited", number, system, f"a place stays free for {gap:.1f} ms")
    return gap
