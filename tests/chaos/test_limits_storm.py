"""No limit is exceeded while workers are killed and Redis is wiped, and the limits are used.

It takes about 20 seconds. A minute for each kind of limit:
`bin/test tests/chaos/test_limits_storm.py --chaos-minutes 1 --seed 7`.
"""

import json
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import dramatiq
import pytest

from apps.tasks.limits.rate import Rate
from apps.tasks.models import TaskAttempt, TaskStatus
from tests.acting import tasks
from tests.waiting import wait_until
from workers.broker import LedgerBroker

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

WORKERS = 4
#: Minutes of the storm, unless `--chaos-minutes` says otherwise.
SHORT_MINUTES = 0.1
#: Seconds between two kills, and between two wipes of Redis.
KILL_SECONDS, WIPE_SECONDS = 5.0, 15.0
KEYS = 1_000
#: Seconds of a task of which three run at once. Filling a place takes some 20 ms, whatever the task takes.
RUN_SECONDS = 1.0
SECOND = timedelta(seconds=1)


ACTORS = (tasks.three_at_once, tasks.twenty_a_second, tasks.one_a_key, tasks.two_a_key)


@pytest.mark.parametrize("actors", [ACTORS, *((actor,) for actor in ACTORS)], ids=lambda found: found[0].fn.__name__)
def test_no_limit_is_exceeded_whatever_dies(actors, command, broker: LedgerBroker, redis_client, pytestconfig) -> None:
    minutes = pytestconfig.getoption("--chaos-minutes")
    if bool(minutes) != (len(actors) == 1):
        pytest.skip("a storm has an actor after the other, the short one all of them at once")
    chance = random.Random(pytestconfig.getoption("--seed"))
    seconds = (minutes or SHORT_MINUTES) * 60
    broker.send_many([message for actor in actors for message in messages_of(actor, seconds=seconds)])
    relay = command("runrelay", LOG_LEVEL="WARNING")
    workers = [start(command) for _ in range(WORKERS)]
    for actor in actors:
        wait_until(TaskStatus.objects.filter(task_name=actor.actor_name, status="completed").exists)
    began = time.monotonic()
    kill_at, wipe_at = began + KILL_SECONDS / 2, began + WIPE_SECONDS / 3
    kills = wipes = 0
    while (now := time.monotonic()) < began + seconds:
        if now >= kill_at:
            place = chance.randrange(WORKERS)
            workers[place].kill()
            workers[place] = start(command)
            kill_at, kills = kill_at + KILL_SECONDS, kills + 1
        if now >= wipe_at:
            redis_client.flushall()
            wipe_at, wipes = wipe_at + WIPE_SECONDS, wipes + 1
        time.sleep(0.05)
    for running in (*workers, relay):
        running.good_ends = {0, -signal.SIGTERM}  # It may still be starting.
        running.stop()
    figures = {actor.fn.__name__: judge(actor) for actor in actors}
    print(f"\nthe storm: {json.dumps({**figures, 'kills': kills, 'wipes': wipes})}")
    assert kills
    assert wipes


def start(command: Any) -> Any:
    return command("runworker", "--single", "--threads", "8", "--queues", "limited", LOG_LEVEL="WARNING")


def messages_of(actor: dramatiq.Actor[..., Any], *, seconds: float) -> list[dramatiq.Message[Any]]:
    """Return more messages than the limit lets through in the time."""
    if actor is tasks.three_at_once:
        return [actor.message(RUN_SECONDS) for _ in range(int(seconds * 5 / RUN_SECONDS) + 10)]
    if actor is tasks.twenty_a_second:
        return [actor.message() for _ in range(int(seconds * 40) + 100)]
    return [actor.message(key) for _ in range(int(seconds) + 3) for key in range(KEYS)]


def judge(actor: dramatiq.Actor[..., Any]) -> dict[str, Any]:
    """Compare the times of rows and attempts with the limit, line by line. Return figures."""
    runs = runs_of(actor)
    figures: dict[str, Any] = {"lines": len(runs), "runs": sum(map(len, runs.values()))}
    if concurrency := actor.options.get("concurrency"):
        most = max(map(most_at_once, runs.values()))
        assert most <= concurrency, f"{most} at once"
        return figures | {"most": most, "used": used_places(runs[""], concurrency) if len(runs) == 1 else None}
    rate = Rate.of(actor.options["rate_limit"]).tasks
    starts = {line: sorted(began for began, _ in found) for line, found in runs.items()}
    most = max(most_within(found, SECOND) for found in starts.values())
    assert most <= rate, f"{most} starts within a second"
    return figures | {"most": most, "used": used_rate(starts[""], rate) if len(runs) == 1 else None}


Run = tuple[datetime, datetime | None]


def runs_of(actor: dramatiq.Actor[..., Any]) -> dict[str, list[Run]]:
    """Return start and end of every attempt that started, by line."""
    found: defaultdict[str, list[Run]] = defaultdict(list)
    rows = TaskStatus.objects.filter(task_name=actor.actor_name, started_at__isnull=False)
    for line, began, ended in rows.values_list("line", "started_at", "finished_at"):
        assert began is not None
        found[line or ""].append((began, ended))
    attempts = TaskAttempt.objects.filter(task__task_name=actor.actor_name, started_at__isnull=False)
    for line, began, ended in attempts.values_list("task__line", "started_at", "ended_at"):
        assert began is not None
        found[line or ""].append((began, ended))
    return found


def most_at_once(runs: Iterable[Run]) -> int:
    steps = [(began, 1) for began, _ in runs] + [(ended, -1) for _, ended in runs if ended]
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def most_within(starts: list[datetime], window: timedelta) -> int:
    """Return the largest number of starts in any stretch of that length, its end left out."""
    most = first = 0
    for index, began in enumerate(starts):
        while began - starts[first] >= window:
            first += 1
        most = max(most, index - first + 1)
    return most


def used_places(runs: list[Run], concurrency: int) -> float:
    """Return the part of the places that was used between the first start and the last one."""
    began, until = min(run[0] for run in runs), max(run[0] for run in runs)
    busy = sum(((min(ended or until, until) - start) / SECOND for start, ended in runs if start < until), start=0.0)
    return round(busy / ((until - began) / SECOND * concurrency), 3)


def used_rate(starts: list[datetime], rate: int) -> float:
    return round((len(starts) - rate) / ((starts[-1] - starts[0]) / SECOND * rate), 3)
