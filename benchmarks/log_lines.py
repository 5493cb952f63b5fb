"""The cost of a log line of a task: logged to the worker's output alone, and kept with the task as well.

No-op tasks that log a line are taken beside those that log none, as in `consume`.
"""

from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS

#: Actor and variables by what becomes of a line.
LINES: dict[str, tuple[str, dict[str, str]]] = {
    "no line": ("noop", {}),
    "logged": ("tell", {"TASK_LOG_LINES": "0"}),
    "kept": ("tell", {}),
}
GOAL = "<= 1.15x"


def run(rig: Rig) -> list[Figure]:
    costs: list[dict[str, float]] = []
    for number in rig.rounds():
        costs.append({})
        for setup in OURS:
            system = rig.system(setup)
            for name, (task, variables) in LINES.items():
                system.clear()
                with system.workers(variables=variables) as workers:
                    found = drain(rig, system, workers, count=rig.amount(12_000, quick=200), task=task)
                costs[-1][f"{setup.name}, {name}"] = found.processor_ms
                text = f"{name}: {found.per_second:,.0f}/s, {found.processor_ms:.3f} ms"
                rig.log_round("log_lines", number, system, text)
    result = []
    for setup in OURS:
        names = [f"{setup.name}, {name}" for name in LINES]
        result += figures(
            f"a log line, processor time, {setup.database}", costs, unit="ms", baseline=names[1],
            goals={names[-1]: GOAL}, only=names,
        )  # fmt: skip
    return result
