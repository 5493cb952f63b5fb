"""Processes that race for one unique key, while some of them are killed.

    python -m pytest --database=postgresql tests/workers/test_unique_race.py --unique-sends 1000

races with 8 processes. Without the option fewer race, since each takes seconds to start.
"""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.tasks.models import TaskKey, TaskStatus
from tests.commands import RunningCommand

pytestmark = [pytest.mark.django_db(transaction=True)]


def answers_of(senders: list[RunningCommand]) -> list[tuple[str, bool]]:
    """Return id and `was_new` of each answer. A kill may cut the last line of a process off."""
    lines = [line.split() for sender in senders for line in sender.output.split("\n")[:-1]]
    return [(words[1], words[2] == "True") for words in lines if words[0] == "answer"]


def test_of_sends_that_race_for_a_key_one_becomes_a_task(
    command: Callable[..., RunningCommand],
    wait_until: Callable[..., None],
    pytestconfig: pytest.Config,
    tmp_path: Path,
) -> None:
    sends, seed = pytestconfig.getoption("--unique-sends"), pytestconfig.getoption("--seed")
    gate, chance = tmp_path / "gate", random.Random(seed)
    senders: list[RunningCommand] = []

    def start() -> RunningCommand:
        argv = (sys.executable, "-m", "tests.workers.unique_sender", str(gate), f"{seed} {len(senders)}")
        senders.append(command(argv=argv))
        return senders[-1]

    running = [start() for _ in range(8 if sends >= 1_000 else 2)]
    for sender in running:
        sender.wait_for("ready")
    gate.touch()
    kills = len(running) - 1
    for kill in range(kills):
        least = sends * (kill + 1) // (kills + 1)
        wait_until(lambda least=least: len(answers_of(senders)) >= least)
        victim = chance.randrange(len(running))
        running[victim].kill()
        if kills > 1:
            running[victim] = start()
    wait_until(lambda: len(answers_of(senders)) >= sends)
    for sender in running:
        sender.kill()
    answers = answers_of(senders)
    task = TaskStatus.objects.get()
    assert {task_id for task_id, _ in answers} == {task.task_id}
    assert [was_new for _, was_new in answers].count(True) <= 1, "a kill may have cut that answer off"
    assert TaskKey.objects.get().task_id == task.task_id
    print(f"{len(answers):,} answers of {len(senders)} processes, {kills} of them killed meanwhile: one task")
