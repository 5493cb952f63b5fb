"""The time until an idle worker starts a task.

It counts from just before the send to the first line of the actor. Tasks are sent steadily, twenty a second, and from
cold: one after three seconds without a task.
"""

from benchmarks.rig.figures import Figure, figures, percentile
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import CELERY, DRAMATIQ, HUEY, OURS, PGQUEUER_ASYNC, POSTGRESQL, TASKIQ
from benchmarks.rig.system import System
from benchmarks.rig.workers import Workers

SETUPS = (DRAMATIQ, HUEY, CELERY, TASKIQ, PGQUEUER_ASYNC, *OURS)
STEADY_SECONDS = 1 / 20
#: Measures and their goals on PostgreSQL, in milliseconds.
MEASURES = {
    "pick-up at 20/s, p50": "<= 4",
    "pick-up at 20/s, p99": "<= 10",
    "pick-up from cold, p50": "<= 4",
    "pick-up from cold, p99": "<= 10",
}


def run(rig: Rig) -> list[Figure]:
    systems = rig.systems(*SETUPS)
    for system in systems:
        system.start_early()
    rounds: dict[str, list[dict[str, float]]] = {measure: [] for measure in MEASURES}
    for number in rig.rounds():
        turn: dict[str, dict[str, float]] = {measure: {} for measure in MEASURES}
        for system in systems:
            for measure, value in zip(MEASURES, milliseconds(rig, system, number), strict=True):
                turn[measure][system.name] = value
        for measure, values in turn.items():
            rounds[measure].append(values)
    return [
        figure
        for measure, goal in MEASURES.items()
        for figure in figures(
            measure, rounds[measure], unit="ms", baseline=DRAMATIQ.name, goals={POSTGRESQL.name: goal}
        )
    ]


def milliseconds(rig: Rig, system: System, number: int, *, processes: int = 2) -> tuple[float, float, float, float]:
    idle_seconds = 0.2 if rig.is_quick else 3.0
    system.clear()
    with system.workers(processes=processes) as workers:
        steady = _latencies(system, workers, count=rig.amount(200, quick=8), every=STEADY_SECONDS, lead=0.2)
        cold = _latencies(system, workers, count=rig.amount(8, quick=2), every=idle_seconds, lead=idle_seconds)
        system.settle(workers)
    found = (percentile(steady, 0.5), percentile(steady, 0.99), percentile(cold, 0.5), percentile(cold, 0.99))
    rig.log_round("pickup", number, system, "p50 {:.1f}, p99 {:.1f}, cold p50 {:.1f}, p99 {:.1f} ms".format(*found))
    return found


def _latencies(system: System, workers: Workers, *, count: int, every: float, lead: float) -> list[float]:
    """Send tasks and return the milliseconds that each waited for its start."""
    first = system.take_numbers(count)
    sent = system.call(
        "send_steadily", first=first, count=count, every_seconds=every, lead_seconds=lead, task=system.setup.noop
    )
    marks = workers.wait_for_marks(first, count)
    return [(at - timestamp) * 1000 for (_, at, _), timestamp in zip(marks, sent, strict=True)]
