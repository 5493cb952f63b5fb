"""What does it cost to say a hundred times how far a task is?

Two hundred tasks (fifty, where each report is a commit) report a hundred times each, on two worker processes with eight
threads each; the time that the same tasks take without reports is subtracted. Ours is compared with a `save()` a report
into a row of one's own, on the same workers; Celery's `update_state` into PostgreSQL is beside it. A hundred reports
take us so little that pairs are repeated and summed up.
"""

from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import CELERY_RESULTS, OURS, Setup

REPORTS = 100
#: A pair's difference is not taken to be less than this.
LEAST_SECONDS = 0.001
UPDATE_STATE = "update_state, Celery, PostgreSQL"


def run(rig: Rig) -> list[Figure]:
    rounds: list[dict[str, float]] = []
    for number in rig.rounds():
        rates = {}
        for setup in OURS:
            rates[f"save() each, {setup.database}"] = _rate(rig, setup, number, task="save", pairs=1)
            rates[setup.name] = _rate(rig, setup, number, task="report", pairs=rig.amount(20, quick=2))
        if rig.has(CELERY_RESULTS):
            rates[UPDATE_STATE] = _rate(rig, CELERY_RESULTS, number, task="report", pairs=1)
        rounds.append(rates)
    found = []
    for setup in OURS:
        baseline = f"save() each, {setup.database}"
        only = [baseline, setup.name] + [UPDATE_STATE] * (setup.database == "postgresql")
        found += figures(
            f"progress reports, {setup.database}", rounds, unit="reports/s", baseline=baseline,
            goals={setup.name: ">= 100x"}, only=only,
        )  # fmt: skip
    return found


def _rate(rig: Rig, setup: Setup, number: int, *, task: str, pairs: int) -> float:
    """Reports a second."""
    system = rig.system(setup)
    # A report that waits for a commit takes long enough to be measured in fewer tasks.
    tasks = rig.amount(200, quick=4) if setup.is_ours and task == "report" else rig.amount(50, quick=4)
    reporting = silent = 0.0
    system.clear()
    with system.workers() as workers:
        for _ in range(pairs):
            silent += drain(rig, system, workers, count=tasks, task=task, arguments=[0]).seconds
            reporting += drain(rig, system, workers, count=tasks, task=task, arguments=[REPORTS]).seconds
    # What is not to be told from noise is at least what a clock can tell.
    rate = pairs * tasks * REPORTS / max(reporting - silent, pairs * LEAST_SECONDS)
    rig.tell("progress", number, system, f"{task}: {rate:,.0f} reports/s ({reporting:.3f} s to {silent:.3f} s)")
    return rate
