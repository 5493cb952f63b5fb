"""Each slot is exactly one task, whichever process is killed: three schedulers over two hundred schedules.

It takes about a quarter of a minute. A storm of three minutes:
`bin/test tests/chaos/test_schedule_storm.py --chaos-minutes 6 --seed 7`.
"""

import json
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.tasks.models import Schedule, ScheduleSlot, TaskStatus
from apps.tasks.schedules import actions, clock
from apps.tasks.schedules.firing import iso
from tests.plugin import SERVERS
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

SCHEDULES = 200
SCHEDULERS = 3
MINUTE = timedelta(minutes=1)
#: Minutes of a storm, unless `--chaos-minutes` says otherwise. The kills take half of them.
SHORT_MINUTES = 0.3
#: Number of kills, at least.
KILLS = 4
#: Seconds that a minute of the schedules takes. SQLite has one writer at a time.
MINUTE_SECONDS = {"postgresql": 2, "sqlite": 4}


@pytest.fixture
def speed(settings) -> dict[str, str]:
    """Let the schedules' clock go faster, here and in the processes that are started with these variables."""
    settings.SCHEDULER_CLOCK_SPEED = 60 // MINUTE_SECONDS[connection.vendor]
    settings.SCHEDULER_CLOCK_START = datetime.now(UTC).replace(microsecond=0)
    return {
        "SCHEDULER_CLOCK_SPEED": str(settings.SCHEDULER_CLOCK_SPEED),
        "SCHEDULER_CLOCK_START": settings.SCHEDULER_CLOCK_START.isoformat(),
    }


def test_each_slot_is_exactly_one_task_whichever_scheduler_is_killed(command, speed, pytestconfig) -> None:
    chance = random.Random(pytestconfig.getoption("--seed"))
    schedules = make_schedules()
    running = [command("runscheduler", LOG_LEVEL="WARNING", **speed) for _ in range(SCHEDULERS)]
    did: Counter[str] = Counter()
    ends = time.monotonic() + (pytestconfig.getoption("--chaos-minutes") or SHORT_MINUTES) * 60 / 2
    postgres = pytestconfig.stash[SERVERS].postgres
    while time.monotonic() < ends or did["kill"] < KILLS:
        time.sleep(chance.uniform(0.1, 1.2))
        what = chance.choices(["kill", "stop", "outage"], [20, 2, 1 if postgres else 0])[0]
        place = chance.randrange(SCHEDULERS)
        if what == "outage":
            restart(pytestconfig, chance)
        elif what == "kill":
            running[place].kill()
        else:
            running[place].good_ends = {0, -signal.SIGTERM}  # It may still be starting.
            assert running[place].stop() in running[place].good_ends, running[place].output
        if what != "outage":
            running[place] = command("runscheduler", LOG_LEVEL="WARNING", **speed)
        did[what] += 1
    # The remaining schedulers decide every slot that has come by now.
    until = clock.now()
    wait_until(lambda: not Schedule.objects.filter(next_at__lte=until).exists(), timeout=300)
    for scheduler in running:
        scheduler.good_ends = {0, -signal.SIGTERM}
        assert scheduler.stop() in scheduler.good_ends, scheduler.output
    figures = judge(schedules)
    print(f"\nthe storm: {json.dumps({**did, **figures})}")


def make_schedules() -> dict[int, list[datetime]]:
    """Make schedules of every minute. Return the start of the slots of each by its key."""
    found = {}
    for number in range(SCHEDULES):
        times = {"cron": "* * * * *"} if number % 4 else {"cron": "", "interval_seconds": 60}
        schedule = Schedule(
            name=f"storm {number}",
            task_name="acting.say",
            kwargs={"value": number},
            missed_policy="all",
            missed_limit=1_000,
            **times,
        )
        actions.make(schedule)
        found[schedule.pk] = [schedule.anchor_at, schedule.decided_until]
    return found


def restart(pytestconfig, chance: random.Random) -> None:
    """Restart PostgreSQL, as a crash or as an administrator would."""
    servers = pytestconfig.stash[SERVERS]
    child = servers.postgres.child
    index = next(place for place, (other, _) in enumerate(servers.launched) if other.name == child.name)
    _, process = servers.launched.pop(index)
    process.send_signal(chance.choice([signal.SIGQUIT, signal.SIGINT]))
    process.wait(PATIENCE_SECONDS)
    time.sleep(chance.uniform(0, 2))
    servers.launch(child, log=servers.directory / "postgresql.log")
    wait_until(servers.postgres.answers, timeout=300)
    connection.close()


def judge(began: dict[int, list[datetime]]) -> dict[str, int]:
    """Compare the slots and tasks with those that are due."""
    fired: dict[int, list[datetime]] = {pk: [] for pk in began}
    ids: dict[str, tuple[str, str]] = {}
    names = dict(Schedule.objects.values_list("pk", "name"))
    for row in ScheduleSlot.objects.filter(schedule__in=began).order_by("slot"):
        assert row.outcome == ScheduleSlot.FIRED, row
        fired[row.schedule_id].append(row.slot)
        ids[row.task_id] = (names[row.schedule_id], iso(row.slot))
    for schedule in Schedule.objects.filter(pk__in=began):
        anchor, begin = began[schedule.pk]
        first = anchor + MINUTE if schedule.interval_seconds else begin.replace(second=0, microsecond=0) + MINUTE
        count = int((schedule.decided_until - first) / MINUTE) + 1
        assert fired[schedule.pk] == [first + place * MINUTE for place in range(count)], schedule
        assert schedule.missed_count == 0
    tasks = {
        row["task_id"]: (row["options"]["schedule"], row["options"]["slot"])
        for row in TaskStatus.objects.filter(task_name="acting.say").values("task_id", "options")
    }
    assert tasks == ids
    assert len(set(tasks.values())) == len(tasks)
    return {"slots": len(ids), "tasks": len(tasks), "schedules": len(began)}
