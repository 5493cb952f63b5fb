"""No task is lost, whatever dies: a storm over real processes, then the invariants.

It takes about a minute. A longer storm: `bin/test tests/chaos --chaos-minutes 30 --seed 7`.
"""

import json
import time
from pathlib import Path

import pytest
from django.db import DatabaseError, InterfaceError, connection

from apps.tasks.models import TaskStatus
from tests.chaos.verdict import judge
from tests.chaos.world import World
from tests.conftest import database_url
from tests.plugin import SERVERS
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

#: Transactions per second of each of the three senders. SQLite has one writer at a time.
PER_SECOND = {"sqlite": 8.0, "postgresql": 25.0}


def unfinished() -> int:
    """Return the number of unfinished tasks. -1: the database is away."""
    try:
        return TaskStatus.objects.unfinished().count()
    except (DatabaseError, InterfaceError):
        connection.close()
        return -1


def test_no_task_is_lost_in_a_storm(request: pytest.FixtureRequest, tmp_path: Path, capsys) -> None:
    options = request.config.option
    world = World(
        directory=tmp_path,
        servers=request.config.stash[SERVERS],
        database_url=database_url(),
        seed=options.seed,
        per_second=PER_SECOND[connection.vendor],
    )
    connection.close()
    world.start()
    try:
        wait_until(lambda: TaskStatus.objects.filter(status="completed").exists(), timeout=60)
        connection.close()
        world.storm(options.chaos_minutes * 60)
        world.stop_sending()
        calm = time.monotonic()
        wait_until(lambda: unfinished() == 0, timeout=120, every=0.2, explain=lambda: logs(tmp_path))
        settled = time.monotonic() - calm
        verdict = judge(world)
        verdict.figures |= {
            "database": connection.vendor,
            "seed": options.seed,
            "minutes": options.chaos_minutes,
            "all done after the storm, seconds": round(settled, 1),
        }
    finally:
        codes = world.stop()
    with capsys.disabled():
        print("\n" + json.dumps(verdict.figures, indent=2))
    assert verdict.breaches == [], logs(tmp_path)
    assert set(codes.values()) <= {0}, (codes, logs(tmp_path))


def logs(directory: Path) -> str:
    """Return the last lines of every process."""
    found = []
    for path in sorted(directory.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-40:]
        found.append(f"--- {path.name}\n" + "\n".join(lines))
    return "\n".join(found)
