"""Hostile tasks beside 1,000 others, in one real worker process.

It takes seconds: the worker process and its server start, and each hostile task runs into its limit.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import dramatiq
import pytest

from apps.tasks.models import TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.acting.models import Effect
from tests.commands import is_gone

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

NEIGHBOURS = 1_000
OVER_TIME = "over its hard time limit of 0.6 s"


def hostile_tasks(isolated: ModuleType, pids: Path) -> dict[str, tuple[dramatiq.Message[Any], str]]:
    """Return hostile tasks by what they do, each with the reason that its row must say."""
    return {
        "allocates 10 GB": (isolated.eat_memory.message(10**10), "over its memory limit of 100 MB"),
        "spins in C with the GIL": (isolated.hold_the_lock.message(600), OVER_TIME),
        "swallows every exception": (isolated.swallow.message(600), OVER_TIME),
        "leaves children": (isolated.leave_children.message(str(pids), and_return=False), OVER_TIME),
        "exits": (isolated.exit_at_once.message(3), "os._exit(3)"),
        "closes all descriptors": (isolated.close_descriptors.message(and_return=False), OVER_TIME),
        "blocks SIGTERM": (isolated.block_signals.message(), OVER_TIME),
    }


def test_hostile_tasks_end_with_their_reasons_and_their_neighbours_complete_once(
    worker: Callable[..., Any], actors: ModuleType, broker: Any, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    command = worker("--single", "--threads", "12", ACTING_ISOLATED="1")
    wait_until(lambda: WorkerProcess.objects.workers().exists(), explain=lambda: command.output)
    hostile = hostile_tasks(actors, tmp_path / "pids")
    neighbours = [tasks.effect.message(f"neighbour {number}") for number in range(NEIGHBOURS)]
    broker.send_many([*neighbours[:100], *(message for message, _ in hostile.values()), *neighbours[100:]])
    wait_until(
        lambda: not TaskStatus.objects.unfinished().exists(), timeout=120, explain=lambda: command.output[-3_000:]
    )

    rows = TaskStatus.objects.in_bulk([message.message_id for message, _ in hostile.values()], field_name="task_id")
    for what, (message, reason) in hostile.items():
        row: Any = rows[message.message_id]
        assert row.status == "failed", what
        assert row.error_message.startswith(reason), (what, row.error_message)
    assert [pid for pid in map(int, (tmp_path / "pids").read_text().split()) if not is_gone(pid)] == []

    ours = TaskStatus.objects.filter(task_name="acting.effect")
    assert Counter(ours.values_list("status", "attempt", "crashes")) == {("completed", 0, 0): NEIGHBOURS}
    assert Effect.objects.count() == Effect.objects.values("nonce").distinct().count() == NEIGHBOURS
    assert WorkerProcess.objects.workers().count() == 1
