"""The time from the request to cancel a running task until its row says `cancelled`.

By the code that the task runs at that moment. A call of C code, such as `time.sleep`, returns first.
"""

from benchmarks.rig.figures import Figure, figures, percentile
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS
from benchmarks.rig.system import System

#: Actors by the code that they run.
TASKS = {
    "progress.track": "track_on",
    "pure Python": "count_on",
    "a query": "query_on",
    "async code": "await_on",
    "time.sleep(1)": "sleep_on",
}
#: In milliseconds.
GOAL = "<= 1000"


def run(rig: Rig) -> list[Figure]:
    rounds: dict[str, list[dict[str, float]]] = {}
    for number in rig.rounds():
        turn: dict[str, dict[str, float]] = {}
        for setup in OURS:
            system = rig.system(setup)
            system.clear()
            with system.workers() as workers:
                for name, task in TASKS.items():
                    found = _milliseconds(rig, system, number, task)
                    turn.setdefault(f"cancelled in {name}, p50", {})[system.name] = percentile(found, 0.5)
                    turn.setdefault(f"cancelled in {name}, p99", {})[system.name] = percentile(found, 0.99)
                system.settle(workers)
        for measure, values in turn.items():
            rounds.setdefault(measure, []).append(values)
    goals = {setup.name: GOAL for setup in OURS}
    return [
        figure
        for measure, values in rounds.items()
        for figure in figures(measure, values, unit="ms", goals=None if "sleep" in measure else goals)
    ]


def _milliseconds(rig: Rig, system: System, number: int, task: str) -> list[float]:
    count = rig.amount(12 if task == "sleep_on" else 60, quick=2)
    first = system.take_numbers(count)
    found: list[float] = system.call("cancel_ms", task=task, first=first, count=count)
    median, slowest = percentile(found, 0.5), percentile(found, 0.99)
    rig.log_round("cancel", number, system, f"{task}: p50 {median:.1f}, p99 {slowest:.1f} ms")
    return found
