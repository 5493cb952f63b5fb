"""The cost of a hundred progress reports of a task.

Two hundred tasks (fifty if each report is a commit) report a hundred times each, on two worker processes with eight
threads each. The time of the same tasks without reports is subtracted. Our reports are compared with a `save()` each
into another row, on the same workers, and with Celery's `update_state` into PostgreSQL. A hundred reports of ours take
too little time for one measurement, so pairs are repeated and summed up.
"""

from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import CELERY_RESULTS, OURS, Setup

REPORTS = 100
#: Least difference of a pair that is counted.
LEAST_SECONDS = 0.001
UPDATE_STATE = "update_state, Celery, PostgreSQL"


def run(rig: Rig) -> list[Figure]:
    rounds: list[dict[str, float]] = []
    for number in rig.rounds():
        rates = {}
        for setup in OURS:
            rates[f"save() each, {setup.database}"] = _rate(rig, setup, number, task="save", pairs=1)
            rates[setup.name] = _rate(rig, setup, number, task="report", pairs=rig.amount(20, quick=2))
        if rig.is_available(CELERY_RESULTS):
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
    """Return the reports per second."""
    system = rig.system(setup)
    # Reports that wait for a commit take long enough to be measured with fewer tasks.
    tasks = rig.amount(200, quick=4) if setup.is_ours and task == "report" else rig.amount(50, quick=4)
    reporting = silent = 0.0
    system.clear()
    with system.workers() as workers:
        for _ in range(pairs):
            silent += drain(rig, system, workers, count=tasks, task=task, arguments=[0]).seconds
            reporting += drain(rig, system, workers, count=tasks, task=task, arguments=[REPORTS]).seconds
    # A difference that is lost in noise counts as the least that a clock can measure.
    rate = pairs * tasks * REPORTS / max(reporting - silent, pairs * LEAST_SECONDS)
    rig.log_round("progress", number, system, f"{task}: {rate:,.0f} reports/s ({reporting:.3f} s to {silent:.3f} s)")
    return rate
