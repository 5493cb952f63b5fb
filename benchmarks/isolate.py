"""The cost of a child process.

No-op tasks of an isolated actor are taken beside those of a plain one: the rate and the processor time while many
wait, and the time until the first line of the actor while the workers are idle. Then the memory of a running child and
its keeper, by their proportional sizes, and that of the server from which both are forked.
"""

import time
from pathlib import Path

import psutil

from benchmarks.rig.drain import Drained, drain
from benchmarks.rig.figures import Figure, figures, percentile
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import ISOLATED
from benchmarks.rig.system import System
from benchmarks.rig.workers import Workers

#: Tasks by how they run.
TASKS = {"in a thread": "noop", "in a child": "noop_isolated"}
#: Milliseconds until the first line of an isolated actor, more than that of a plain one.
GOAL = "<= 20"
#: Children whose memory is measured at once.
CHILDREN = 8
#: Seconds between two tasks while the workers are idle.
PAUSE_SECONDS = 0.05

Round = dict[str, float]


def run(rig: Rig) -> list[Figure]:
    rates: list[Round] = []
    costs: list[Round] = []
    starts: list[Round] = []
    sizes: list[Round] = []
    for number in rig.rounds():
        for rounds in (rates, costs, starts, sizes):
            rounds.append({})
        for setup in ISOLATED:
            system = rig.system(setup)
            system.clear()
            with system.workers() as workers:
                first_lines = {}
                for place, task in TASKS.items():
                    found = _drained(rig, system, workers, task)
                    rates[-1][f"{system.name}, {place}"] = found.per_second
                    costs[-1][f"{system.name}, {place}"] = found.processor_ms
                    first_lines[place] = _first_line_ms(rig, system, workers, task)
                starts[-1][system.name] = first_lines["in a child"] - first_lines["in a thread"]
                sizes[-1].update(_megabytes(system, workers))
            rig.log_round("isolate", number, system, f"a child starts in {starts[-1][system.name]:.1f} ms")
    names = list(starts[0])
    baselines = [f"{name}, in a thread" for name in names]
    result = []
    for measure, rounds, unit in (("rate", rates, "tasks/s"), ("processor time of a task", costs, "ms")):
        for name, baseline in zip(names, baselines, strict=True):
            only = [baseline, f"{name}, in a child"]
            result += figures(f"isolated, {measure}", rounds, unit=unit, baseline=baseline, only=only)
    result += figures("isolated, start of a child", starts, unit="ms", goals=dict.fromkeys(names, GOAL))
    return [*result, *figures("isolated, memory", sizes, unit="MB")]


def _drained(rig: Rig, system: System, workers: Workers, task: str) -> Drained:
    count = rig.amount(400, quick=40) if task == TASKS["in a child"] else rig.amount(4_000, quick=200)
    return drain(rig, system, workers, count=count, task=task)


def _first_line_ms(rig: Rig, system: System, workers: Workers, task: str) -> float:
    """Return the median time from the send to the first line of the actor, one task at a time."""
    found = []
    for _ in range(rig.amount(40, quick=5)):
        time.sleep(PAUSE_SECONDS)
        began = time.monotonic()
        first = system.send(task)
        ((_, at, _),) = workers.wait_for_marks(first, 1)
        found.append((at - began) * 1000)
    system.settle(workers)
    return percentile(found, 0.5)


def _megabytes(system: System, workers: Workers) -> Round:
    """Return the median proportional sizes of a child, a keeper and a server."""
    gate = Path(system.directory) / "gate"
    first = system.send("hold_isolated", str(gate), count=CHILDREN)
    children = [psutil.Process(pid) for _, _, pid in workers.wait_for_marks(first, CHILDREN)]
    keepers = [child.parent() for child in children]
    servers = {keeper.parent() for keeper in keepers if keeper is not None}
    found = {
        f"{system.name}, {role}": percentile([_proportional_mb(process) for process in processes if process], 0.5)
        for role, processes in (("child", children), ("keeper", keepers), ("server", servers))
    }
    gate.touch()
    system.settle(workers)
    gate.unlink()
    return found


def _proportional_mb(process: psutil.Process) -> float:
    found = process.memory_full_info()
    # Where there is no such size, the memory of its own.
    return float(getattr(found, "pss", 0) or found.uss) / 1e6
