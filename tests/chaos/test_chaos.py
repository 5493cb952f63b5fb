"""No task is lost, whatever fails: a storm over real processes, then the invariants.

It takes a third of a minute and has some faults. All: `bin/test tests/chaos --chaos-minutes 30 --seed 7`. Others:
`--chaos-faults=kills,redis-memory`. `--chaos-record DIR` keeps the history and the verdict.
"""

import contextlib
import json
import shutil
import sqlite3
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import connection

from tests.chaos import faults, journal
from tests.chaos.history import History
from tests.chaos.rows import Rows
from tests.chaos.sends import KINDS
from tests.chaos.verdict import judge
from tests.chaos.world import World
from tests.plugin import SERVERS
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

#: Transactions per second of each of the three senders. SQLite has one writer at a time.
PER_SECOND = {"sqlite": 4.0, "postgresql": 15.0}
#: Minutes of a storm, unless `--chaos-minutes` says otherwise.
SHORT_MINUTES = 0.2
#: Minutes of a storm after which the relays' counts are waited for, which takes two minutes.
LONG_MINUTES = 1
#: Faults that have kinds of sends.
SENT = {kind.fault for kind in KINDS if kind.fault}
#: Seconds after the storm in which a task that waits must get on for the wait to go on.
STALL_SECONDS = 65
#: Seconds to wait after the storm, at most.
PATIENCE_SECONDS = 900
#: Tasks that wait before the storm lets the workers catch up: a storm in which nothing runs shows little.
BACKLOG = 500


def test_no_task_is_lost_in_a_storm(request: pytest.FixtureRequest, tmp_path: Path, capsys) -> None:
    options, servers = request.config.option, request.config.stash[SERVERS]
    if connection.vendor == "postgresql" and servers.postgres is None:
        pytest.skip("the storm needs a PostgreSQL that it may copy, not that of TEST_DATABASE_URL")
    minutes, wanted = options.chaos_minutes or SHORT_MINUTES, set(faults.NAMES)
    if options.chaos_faults not in {None, "all"}:
        wanted = set(options.chaos_faults.split(","))
    elif options.chaos_faults is None and options.chaos_minutes is None:
        wanted = set(faults.SHORT)
    assert wanted <= set(faults.NAMES), f"--chaos-faults must be of: {', '.join(faults.NAMES)}"
    only = set(options.chaos_sends.split(",")) if options.chaos_sends else set()
    assert only <= SENT, f"--chaos-sends must be of: {', '.join(sorted(SENT))}"
    name = str(connection.settings_dict["NAME"])
    connection.close()
    world = World(
        tmp_path,
        servers,
        database=name,
        seed=options.seed,
        faults=wanted,
        per_second=PER_SECOND[connection.vendor],
        only=only,
    )
    rows, calm_at = Rows(world.database), 0.0
    try:
        world.start()
        wait_until(lambda: any(row.status == "completed" for row in rows.tasks()), timeout=300, every=0.5)
        world.storm(minutes * 60, faults.ACTS, has_backlog=lambda: has_backlog(rows))
        calm_at = world.calm()
        world.stop_sending()
        settle(world, rows)
        wait_until(lambda: is_up(world), every=0.5)
        if is_long := minutes >= LONG_MINUTES:
            last = max(at for row in rows.tasks() for at in (row.created_at, row.finished_at) if at is not None)
            wait_until(lambda: is_up(world) and rows.settled_until() > last, timeout=300, every=1)
        tallied_until, tallied = rows.tallied() if is_long else (0.0, {})
        history = History(
            about={
                "database": world.database.vendor,
                "seed": options.seed,
                "minutes": minutes,
                "skipped": world.skipped,
            },
            calm_at=calm_at,
            faults=world.faults,
            rows=list(rows.tasks()),
            effects=list(rows.effects()),
            ended=list(rows.ended()),
            left=left_in_redis(world, rows),
            open_groups=rows.open_groups(),
            tallied=tallied,
            tallied_until=tallied_until,
        )
    finally:
        ends = world.stop()
    history.ends = ends
    history.notes = list(journal.read(world.journals))
    verdict = judge(history)
    if options.chaos_record:
        history.write(Path(options.chaos_record))
        verdict.write(Path(options.chaos_record))
        for path in tmp_path.glob("*.log"):
            shutil.copy(path, options.chaos_record)
    with capsys.disabled():
        print("\n" + json.dumps(verdict.figures, indent=2))
    assert not verdict.broken, json.dumps(verdict.broken, indent=2) + "\n" + logs(tmp_path)


def has_backlog(rows: Rows) -> bool:
    with contextlib.suppress(psycopg.Error, sqlite3.Error):
        return rows.waiting() > BACKLOG
    return True


def settle(world: World, rows: Rows) -> None:
    """Return when every task has ended or says why it waits, or when nothing has happened for `STALL_SECONDS`."""
    began = moved = time.monotonic()
    fewest = sys.maxsize
    while (now := time.monotonic()) < min(moved + STALL_SECONDS, began + PATIENCE_SECONDS):
        with contextlib.suppress(psycopg.Error):
            waiting = rows.waiting()
            if waiting == 0:
                return
            if waiting < fewest:
                fewest, moved = waiting, now
        time.sleep(0.5)
        world.revive()


def is_up(world: World) -> bool:
    """Return whether the database answers. Revive it if not."""
    world.revive()
    with contextlib.suppress(psycopg.Error):
        return world.database.query("SELECT 1") == [(1,)]
    return False


def left_in_redis(world: World, rows: Rows) -> dict[str, int]:
    """Return the messages that wait, and those that dead workers have fetched, by key.

    Both come to nothing within seconds.
    """
    deadline = time.monotonic() + 60
    while True:
        living = rows.living_workers()
        with contextlib.suppress(redis.RedisError), world.redis.client() as client:
            left = {key: client.llen(key) for key in client.scan_iter("aiwriting:chaos*", _type="list")}
            left = {key: count for key, count in left.items() if not key.endswith(".bell")}
            for key in client.scan_iter("aiwriting:__acks__.*"):
                if key.split(".")[1].replace("-", "") not in living:
                    left[key] = client.scard(key)
            if not left or time.monotonic() > deadline:
                return left
        time.sleep(0.5)


def logs(directory: Path) -> str:
    """Return the last lines of every process."""
    found = []
    for path in sorted(directory.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-40:]
        found.append(f"--- {path.name}\n" + "\n".join(line[:300] for line in lines))
    return "\n".join(found)
