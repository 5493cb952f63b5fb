"""The parts of a run that need no servers."""

import subprocess
import sys
from collections.abc import Sequence

import psutil
import pytest

from benchmarks import consume
from benchmarks.rig import setup
from benchmarks.rig.servers import REDIS_DATABASES
from benchmarks.rig.system import Key, System
from benchmarks.rig.workers import Workers

pytestmark = pytest.mark.once


class EndedWorkers(Workers):
    """Workers whose only process ends between the look for it and the signal."""

    def __init__(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", ""])
        self.ended = psutil.Process(child.pid)
        child.wait()

    def processes(self, word: str = "") -> list[psutil.Process]:
        return [self.ended]


def test_a_process_that_has_ended_is_not_signalled() -> None:
    EndedWorkers().thaw()


class QuickSystem(System):
    """A system of a quick run that records its calls."""

    def __init__(self) -> None:
        self.keeps, self.calls = True, list[str]()
        self._kept, self._running = {}, []

    def clear(self) -> None:
        self.calls.append("clear")

    def _start(self, key: Key, commands: Sequence[tuple[str, ...]] = ()) -> Workers:
        self.calls.append("start")
        return EndedWorkers()


def test_workers_that_start_early_do_not_run_the_tasks_of_an_earlier_benchmark() -> None:
    system = QuickSystem()
    system.start_early()
    assert system.calls == ["clear", "start"]


def test_every_system_of_a_run_has_a_redis_database() -> None:
    def named(value: object) -> set[str]:
        if isinstance(value, setup.Setup):
            return {value.name}
        return {name for one in value for name in named(one)} if isinstance(value, tuple) else set()

    systems = {name for value in vars(setup).values() for name in named(value)}
    assert len(systems) <= REDIS_DATABASES


def test_a_peer_that_is_left_out_is_not_compared_with() -> None:
    rates = {one.name: 100.0 for one in (setup.DRAMATIQ_64, *setup.OURS, setup.ASYNC)}
    found = consume.compared([rates])
    assert {figure.measure for figure in found} == {"consume, to prefetch 64"}
    assert {figure.ratio for figure in found} == {1.0}


def test_a_rate_is_compared_with_the_peer_of_the_same_round() -> None:
    rounds = [
        {setup.PGQUEUER_ASYNC.name: peer, setup.ASYNC.name: mine} for peer, mine in ((100, 50), (10, 20), (10, 10))
    ]
    [figure] = [one for one in consume.compared(rounds) if one.system == setup.ASYNC.name]
    assert (figure.ratio, figure.is_met) == (1.0, True)
