"""The time until a task starts again after its worker died.

First, it counts from `kill -9` of one of two busy worker processes to the new start of a task that it ran. Dramatiq's
command ends when one of its processes is killed, and is started again at once, as a platform does. Second, it counts
from the loss of a whole host (its worker has another host's name and is frozen) to the start of its task elsewhere.
"""

import itertools
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.rig.figures import Figure
from benchmarks.rig.journal import Mark
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import DRAMATIQ, OURS, Setup
from benchmarks.rig.system import System
from benchmarks.rig.workers import Workers, WorkersError
from tests.commands import manage

KILLS = 5
#: Seconds until a task of a peer counts as lost.
PATIENCE_SECONDS = 60
#: Seconds in which our own tasks must start again. Otherwise the benchmark fails.
OWN_PATIENCE_SECONDS = 90

_releases = itertools.count()


def run(rig: Rig) -> list[Figure]:
    killed: dict[str, list[float]] = {}
    vanished: dict[str, list[float]] = {}
    kills = rig.amount(KILLS, quick=1)
    patience = rig.amount(PATIENCE_SECONDS, quick=2)
    peer = _after_kills(rig, DRAMATIQ, kills=1, patience_seconds=patience)
    for setup in OURS:
        killed[setup.name] = _after_kills(rig, setup, kills=kills, patience_seconds=OWN_PATIENCE_SECONDS)
        vanished[setup.name] = [_after_a_host_vanished(rig, setup) for _ in rig.rounds()]
    first = "a killed worker's task starts again"
    return [
        _figure(first, DRAMATIQ.name, peer) if peer else Figure(
            measure=first, system=DRAMATIQ.name, value=f"not within {patience} s", unit="s"
        ),
        *(_figure(first, name, seconds) for name, seconds in killed.items()),
        *(_figure("a vanished host's task starts again", name, seconds) for name, seconds in vanished.items()),
    ]  # fmt: skip


def _figure(measure: str, system: str, seconds: list[float]) -> Figure:
    return Figure(measure=measure, system=system, value=median(seconds), unit="s", spread=(min(seconds), max(seconds)))


def _after_kills(rig: Rig, setup: Setup, *, kills: int, patience_seconds: float) -> list[float]:
    """Return the seconds from each kill to the new start. They end with the first that was not in time."""
    system, found = rig.system(setup), []
    system.clear()
    with system.workers() as workers:
        for _ in range(kills):
            release = system.directory / f"release-{next(_releases)}"
            before = set(workers.marks)

            def held(before: set[int] = before) -> dict[int, Mark]:
                """Return one of the tasks that each process holds."""
                return {marks[0][2]: marks[0] for number, marks in workers.marks.items() if number not in before}

            _hold(system, release, until=lambda: len(held()) >= 2, look=[workers])
            victim, _, pid = next(iter(held().values()))
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            release.touch()  # A task that starts again now ends at once.
            seconds = _new_start(workers, victim, since=killed, patience_seconds=patience_seconds)
            if seconds is None:
                rig.log(f"rescue: {system.name}: not within {patience_seconds:g} s")
                break
            rig.log(f"rescue: {system.name}: {seconds:.2f} s after kill -9")
            found.append(seconds)
            system.settle(workers)
            system.warm_up(workers, processes=2)
    return found


def _hold(system: System, release: Path, *, until: Callable[[], object], look: Sequence[Workers]) -> None:
    """Send tasks that do not end, until `until` is true."""

    def one_more() -> bool:
        for workers in look:
            workers.look()
        if until():
            return True
        system.send("hold", str(release))
        return False

    look[0].wait_for(one_more, awaited=f"{system.name}: held tasks run in the right processes", every=0.2)


def _new_start(workers: Workers, number: int, *, since: float, patience_seconds: float) -> float | None:
    """Return the seconds until the task has started again. None: it did not."""

    def starts() -> list[float]:
        workers.restart_ended()
        return [at for _, at, _ in workers.marks[number] if at > since]

    try:
        workers.wait_for(starts, awaited="the task starts again", seconds=patience_seconds)
    except WorkersError:
        return None
    return starts()[0] - since


def _after_a_host_vanished(rig: Rig, setup: Setup) -> float:
    system = rig.system(setup)
    release = system.directory / f"release-{next(_releases)}"
    system.clear()
    single = [manage("runworker", "--single")]
    with (
        system.workers() as here,
        system.workers(is_cold=True, commands=single, variables={"WORKER_HOST": "another-host"}) as elsewhere,
    ):
        _hold(system, release, until=lambda: elsewhere.marks, look=[elsewhere, here])
        number = next(iter(elsewhere.marks))
        frozen = time.monotonic()
        elsewhere.freeze()
        release.touch()
        here.wait_for(lambda: number in here.marks, awaited="the task starts here", seconds=OWN_PATIENCE_SECONDS)
        seconds = here.marks[number][0][1] - frozen
        system.settle(here)
        system.stop(elsewhere, kill=True)
    rig.log(f"rescue: {system.name}: {seconds:.1f} s after the host vanished")
    return seconds
