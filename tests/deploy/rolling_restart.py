"""Restart everything of the Procfile, one process at a time, under requests and tasks.

It takes two minutes, so that only its name runs it:
`bin/test tests/deploy/rolling_restart.py --database=postgresql --redis=redis-server`.

There are two of each process, as on two hosts. A balancer sends requests to the web processes that are ready, and takes
one out a second before it is stopped.
"""

import contextlib
import http.client
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Count

from apps.tasks.models import TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.acting.models import Effect
from tests.commands import RunningCommand
from tests.deploy.files import procfile
from tests.waiting import wait_until
from workers.embedded.server import free_port

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

REQUESTS_A_SECOND = 100
TASKS_A_SECOND = 200
#: Every so many tasks one runs for longer, so that some run at each restart.
LONG_EVERY, LONG_SECONDS = 50, 1.0
#: Seconds between the balancer's last request to a process and its SIGTERM.
OUT_SECONDS = 1.0
CLIENTS = 16


class Balancer:
    """Sends requests to the web processes that are ready, each over a connection of its own."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.answers: Counter[str] = Counter()
        self.slowest_seconds = 0.0

    def request(self) -> None:
        began, port = time.monotonic(), random.choice(self.ports)
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            link.request("GET", "/sign-in/")
            answer = link.getresponse()
            answer.read()
            self.answers[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            self.answers[repr(error)] += 1
        finally:
            link.close()
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)


def at_rate(rate: float, stop: threading.Event, act: Callable[[int], object]) -> int:
    """Call `act` with a number until the stop, at that rate, late calls included. Return the number of calls."""
    began, number = time.monotonic(), 0
    while not stop.is_set():
        act(number)
        number += 1
        stop.wait(max(0, began + number / rate - time.monotonic()))
    return number


def send(number: int) -> None:
    if number % LONG_EVERY:
        tasks.effect.send(str(number))
    else:
        tasks.slow_effect.send(str(number), LONG_SECONDS)


class Site:
    """Two of each process of the Procfile, and the restart of each."""

    def __init__(self, start: Callable[..., RunningCommand], balancer: Balancer) -> None:
        self.start = start
        self.balancer = balancer
        self.running: list[tuple[str, RunningCommand, int]] = []

    def add(self, name: str) -> None:
        port = free_port()
        workers = WorkerProcess.objects.filter(stopped_at=None).count()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        variables = {"PATH": path, "PORT": str(port), "WORKER_PROCESSES": "1", "LOG_LEVEL": "WARNING"}
        command = self.start(argv=("/bin/sh", "-c", procfile()[name]), **variables)
        command.good_ends = {0, -15}
        if name == "web":
            wait_until(lambda: is_ready(port), explain=lambda: command.output)
            self.balancer.ports = [*self.balancer.ports, port]
        else:
            wait_until(
                lambda: WorkerProcess.objects.filter(stopped_at=None).count() > workers,
                explain=lambda: command.output,
            )
        self.running.append((name, command, port))

    def restart(self) -> None:
        """Stop and start each process that runs now."""
        for name, command, port in list(self.running):
            if name == "web":
                self.balancer.ports = [one for one in self.balancer.ports if one != port]
                time.sleep(OUT_SECONDS)
            command.stop()
            self.running.remove((name, command, port))
            self.add(name)


def is_ready(port: int) -> bool:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request("GET", "/readyz")
        return link.getresponse().status == 200
    except OSError:
        return False
    finally:
        link.close()


@contextlib.contextmanager
def load(balancer: Balancer) -> Iterator[list[int]]:
    """Send requests and tasks during the block. At its end the list has the numbers of both, and the seconds."""
    stop, began = threading.Event(), time.monotonic()
    figures: list[int] = []

    def senders() -> int:
        try:
            return at_rate(TASKS_A_SECOND, stop, send)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as loops, ThreadPoolExecutor(CLIENTS) as clients:
        both = [
            loops.submit(at_rate, REQUESTS_A_SECOND, stop, lambda number: clients.submit(balancer.request)),
            loops.submit(senders),
        ]
        try:
            yield figures
        finally:
            stop.set()
            figures += [one.result() for one in both] + [round(time.monotonic() - began)]


def test_a_rolling_restart_loses_no_task_and_fails_no_request(
    command: Callable[..., RunningCommand], capsys: pytest.CaptureFixture[str]
) -> None:
    balancer = Balancer()
    site = Site(command, balancer)
    for name in ("web", "worker", "scheduler"):
        site.add(name)
        site.add(name)

    with load(balancer) as figures:
        site.restart()
    requests, sent, seconds = figures

    wait_until(lambda: not TaskStatus.objects.exclude(status="completed").exists())
    rows = TaskStatus.objects.aggregate(count=Count("pk"))
    spent = TaskStatus.objects.exclude(retries=0, crashes=0).count()
    twice = Effect.objects.values("nonce").annotate(runs=Count("pk")).filter(runs__gt=1).count()
    with capsys.disabled():
        print(
            f"\n{requests} requests ({requests / seconds:.0f}/s) {dict(balancer.answers)}, slowest "
            f"{balancer.slowest_seconds:.2f} s; {sent} tasks ({sent / seconds:.0f}/s), {rows['count']} rows completed, "
            f"{spent} with a retry or a crash, {twice} started twice; {seconds} s"
        )
    assert set(balancer.answers) == {"200"}
    assert rows["count"] == sent
    assert Effect.objects.values("nonce").distinct().count() == sent
    assert (spent, twice) == (0, 0)
