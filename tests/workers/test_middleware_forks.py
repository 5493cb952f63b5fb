"""The functions that a middleware wants to run beside the workers, as Dramatiq's Prometheus does."""

import os
import signal
import subprocess
import time
from typing import Any

import pytest
from dramatiq import Middleware
from dramatiq.middleware.prometheus import Prometheus

from apps.tasks.errors import TaskError
from workers.management.commands.runworker import Command
from workers.process import middleware_fork

OPTIONS: dict[str, Any] = {"queues": {}, "processes": 1, "threads": 4, "no_relay": True}
OPTIONS |= {"isolated": 0, "max_tasks": 0, "max_memory_mb": 0, "metrics_port": None}


def serve() -> None:
    """Run until the process is stopped."""
    print("serving", os.getpid(), flush=True)
    while True:
        time.sleep(60)


def fail() -> int:
    return 3


class Forking(Middleware):
    def __init__(self, *forks: Any) -> None:
        self.functions = forks

    @property
    def forks(self) -> Any:
        return list(self.functions)


@pytest.fixture
def forking(broker, monkeypatch) -> Any:
    """`forking(*functions)` gives the broker a middleware with these forks."""

    def add(*functions: Any) -> None:
        monkeypatch.setattr(broker, "middleware", [*broker.middleware, Forking(*functions)])

    return add


@pytest.mark.processes
def test_each_fork_runs_in_a_process_of_its_own_that_ends_with_the_worker(forking) -> None:
    forking(serve)
    worker, child = Command().children_of(OPTIONS)
    assert (worker.name, child.name) == ("worker 1", "serve")
    with child.popen(stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"serving {process.pid}\n".encode()
        process.send_signal(signal.SIGINT)  # A terminal's is for the supervisor.
        process.send_signal(child.stop_signal)
        assert process.wait(60) == 0


def test_the_exit_code_of_a_fork_is_what_it_returns() -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert middleware_fork.run(f"{__name__}:fail") == 3
    finally:
        for signum, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(signum, handler)


def test_the_server_of_dramatiqs_prometheus_is_a_fork(broker, monkeypatch) -> None:
    monkeypatch.setattr(broker, "middleware", [*broker.middleware, Prometheus()])
    assert middleware_fork.paths_of(broker) == ["dramatiq.middleware.prometheus:_run_exposition_server"]


def test_a_fork_that_another_process_cannot_find_is_refused_by_its_name(forking) -> None:
    forking(lambda: None)
    words = r"Forking\.forks has tests\.workers\.test_middleware_forks:.*<lambda>, must be functions of a module"
    with pytest.raises(TaskError, match=words):
        Command().children_of(OPTIONS)
