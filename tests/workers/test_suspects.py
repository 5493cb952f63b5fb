"""Suspects: after a crash, innocent tasks run side by side again, and poison stops after its deaths."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.models import TaskAttempt, TaskStatus
from tests import rows
from tests.acting import tasks
from workers.process.suspects import Suspects, seconds_to_clear

MAX_CRASHES = 3


@pytest.mark.parametrize(
    ("longest_deadly_seconds", "seconds"), [(0, 1), (0.1, 1), (0.5, 1), (3, 6), (15, 30), (40, 30), (3600, 30)]
)
def test_a_suspect_is_cleared_when_it_outlives_its_longest_deadly_run_twice(longest_deadly_seconds, seconds) -> None:
    assert seconds_to_clear(longest_deadly_seconds) == seconds


# --- Which may start -----------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Run:
    """A running suspect, as far as `Suspects` looks at it."""

    def __init__(self, started: float | None) -> None:
        self.started = started


def started(suspects: Suspects, clear_seconds: float | None, *, at: float | None) -> Any:
    assert suspects.begin(clear_seconds)
    run: Any = Run(at)
    suspects.start(run, clear_seconds)
    return run


def test_a_suspect_starts_when_those_that_run_are_cleared() -> None:
    clock = Clock()
    suspects = Suspects(clock=clock)
    started(suspects, 2.0, at=clock.now)
    assert not suspects.begin(2.0)
    clock.now += 2.1
    second = started(suspects, 2.0, at=None)
    clock.now += 10
    assert not suspects.begin(2.0), "the second one waits for a thread"
    second.started = clock.now - 3
    assert suspects.begin(2.0)
    assert not suspects.begin(2.0), "the third one starts just now"
    suspects.give_up()
    assert suspects.begin(2.0)


def test_a_suspect_on_its_last_chance_runs_beside_no_other() -> None:
    clock = Clock()
    suspects = Suspects(clock=clock)
    first = started(suspects, 1.0, at=clock.now)
    clock.now += 100
    assert not suspects.begin(None)
    suspects.end(first)
    last = started(suspects, None, at=clock.now)
    clock.now += 10_000
    assert not suspects.begin(1.0)
    assert not suspects.begin(None)
    suspects.end(last)
    assert suspects.begin(None)


# --- A simulation of crashes ---------------------------------------------------------------------


@dataclass(eq=False)
class Task:
    """A suspect. It kills its process when it has run for `kills_after` seconds, or ends after `seconds`."""

    seconds: float
    kills_after: float | None = None
    crashes: int = 1
    longest: float = 0.0
    started: float | None = None
    status: str = "pending"

    @property
    def clear_seconds(self) -> float | None:
        return None if self.crashes >= MAX_CRASHES - 1 else seconds_to_clear(self.longest)


@dataclass
class Process:
    clock: Clock
    threads: int
    running: list[Task] = field(default_factory=list)
    suspects: Suspects = field(init=False)

    def __post_init__(self) -> None:
        self.suspects = Suspects(clock=self.clock)

    def start(self, waiting: list[Task]) -> None:
        for task in list(waiting):
            if len(self.running) < self.threads and self.suspects.begin(task.clear_seconds):
                self.suspects.start(task, task.clear_seconds)  # type: ignore[arg-type]
                task.started = self.clock.now
                self.running.append(task)
                waiting.remove(task)

    def end(self, waiting: list[Task]) -> None:
        ran = {task: self.clock.now - (task.started or 0) for task in self.running}
        if any(task.kills_after is not None and ran[task] >= task.kills_after for task in self.running):
            for task in self.running:
                task.crashes += 1
                task.longest = max(task.longest, ran[task])
                task.started = None
                if task.crashes >= MAX_CRASHES:
                    task.status = "failed"
                else:
                    waiting.append(task)
            self.running, self.suspects = [], Suspects(clock=self.clock)
            return
        for task in [task for task in self.running if ran[task] >= task.seconds]:
            task.status = "completed"
            self.running.remove(task)
            self.suspects.end(task)  # type: ignore[arg-type]


def simulate(suspects: list[Task], *, processes: int = 2, threads: int = 8) -> float:
    """Run all of them. Return the seconds that it took."""
    clock = Clock()
    began, waiting = clock.now, list(suspects)
    pool = [Process(clock, threads) for _ in range(processes)]
    while waiting or any(process.running for process in pool):
        for process in pool:
            process.end(waiting)
            process.start(waiting)
        clock.now += 0.1
        assert clock.now - began < 100_000
    return clock.now - began


@pytest.mark.parametrize("seed", range(30))
def test_poison_fails_and_no_innocent_task_does(seed: int) -> None:
    chance = random.Random(seed)
    innocent = [
        Task(chance.choice([0.05, 0.5, 5, 60]), longest=chance.choice([0, 0.2, 10]))
        for _ in range(chance.choice([5, 30, 128]))
    ]
    poison = [Task(1000, kills_after=chance.choice([0.1, 0.9, 5, 40])) for _ in range(chance.randint(1, 5))]
    suspects = innocent + poison
    chance.shuffle(suspects)
    simulate(suspects, processes=chance.randint(1, 3))
    assert {task.status for task in innocent} == {"completed"}
    assert {(task.status, task.crashes) for task in poison} == {("failed", MAX_CRASHES)}


def test_long_innocent_tasks_use_all_threads_again() -> None:
    """Four tasks of 300 s after one kill: run one by one they would take 1200 s."""
    assert simulate([Task(300, longest=20) for _ in range(4)], processes=1) < 300 + 3 * 31


# --- With rows and processes ---------------------------------------------------------------------


@pytest.mark.django_db
def test_the_longest_deadly_run_is_read_from_the_attempts() -> None:
    now = timezone.now()
    task = rows.task(crashes=2)
    for attempt, (outcome, seconds) in enumerate([("rescue", 3), ("rescue", 7), ("retry", 60), ("rescue", None)]):
        TaskAttempt.objects.create(
            task=task, attempt=attempt, outcome=outcome, error_message="", ended_at=now,
            started_at=None if seconds is None else now - timedelta(seconds=seconds),
        )  # fmt: skip
    other = rows.task(crashes=1)
    assert ledger.crashes_of([task.task_id, other.task_id]) == {task.task_id: (2, 7.0), other.task_id: (1, 0.0)}


@pytest.mark.django_db(transaction=True)
def test_suspects_run_side_by_side_once_they_are_cleared(working, broker, ended, gate, wait_until, monkeypatch) -> None:
    monkeypatch.setattr("workers.process.suspects.CLEAR_SECONDS", 0.2)
    broker.runtime.stopping.set()
    sent = [gate.send(f"{number}") for number in range(3)]
    TaskStatus.objects.update(crashes=1)
    broker.runtime.stopping.clear()
    running = TaskStatus.objects.filter(status="processing", started_at__isnull=False)
    wait_until(lambda: running.count() == 3)
    gate.open()
    assert {ended(message).status for message in sent} == {"completed"}


@pytest.mark.django_db(transaction=True)
def test_suspects_on_their_last_chance_run_one_by_one(working, broker, ended) -> None:
    broker.runtime.stopping.set()
    sent = [tasks.slow_effect.send(f"{number}", 0.3) for number in range(3)]
    TaskStatus.objects.update(crashes=MAX_CRASHES - 1)
    broker.runtime.stopping.clear()
    for message in sent:
        assert ended(message).status == "completed"
    times: list[Any] = list(TaskStatus.objects.order_by("started_at").values_list("started_at", "finished_at"))
    assert all(finished_at <= started_at for (_, finished_at), (started_at, _) in pairwise(times))
