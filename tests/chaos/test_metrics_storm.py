"""Every figure of `/metrics` equals the rows after a storm over four worker processes, and no counter falls meanwhile.

It runs only on request: `bin/test tests/chaos/test_metrics_storm.py --chaos-minutes 2 --seed 7`.
"""

import json
import random
import signal
import time
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from apps.tasks.schedules import clock
from tests.acting import tasks
from tests.scrape import Samples, differences, from_rows, parsed
from tests.waiting import wait_until
from workers.broker import LedgerBroker
from workers.metrics import growth

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

WORKERS = 4
#: Sends a second. SQLite has one writer at a time.
PER_SECOND = {"sqlite": 10.0, "postgresql": 40.0}
#: Seconds between two kills of a worker process, and between two scrapes.
KILL_SECONDS, SCRAPE_SECONDS = 15.0, 1.0
HOUR_MS = 3_600_000


def test_every_figure_equals_the_rows_after_a_storm(
    command: Any, broker: LedgerBroker, client: Client, settings: Settings, monkeypatch: Any, pytestconfig: Any
) -> None:
    minutes = pytestconfig.getoption("--chaos-minutes")
    if not minutes:
        pytest.skip("runs with --chaos-minutes alone")
    settings.METRICS_NETWORKS = ["127.0.0.1"]
    monkeypatch.setattr(growth, "largest", {})
    chance = random.Random(pytestconfig.getoption("--seed"))
    relay = command("runrelay", LOG_LEVEL="WARNING")
    workers = [start(command) for _ in range(WORKERS)]
    counters: dict[tuple[str, tuple[str, ...]], float] = {}
    scrapes: list[float] = []
    fallen: list[str] = []
    kills = sent = 0
    began = time.monotonic()
    wait_until(lambda: "tasks_counted_age_seconds" in scrape(client), timeout=120)
    kill_at, scrape_at = began + KILL_SECONDS, began
    while (now := time.monotonic()) < began + minutes * 60:
        if now >= kill_at:
            place = chance.randrange(WORKERS)
            workers[place].kill()
            workers[place] = start(command)
            kill_at, kills = kill_at + KILL_SECONDS, kills + 1
        if now >= scrape_at:
            found = scrape(client)
            scrapes.append(time.monotonic() - now)
            for name, labels, value in counts(found):
                if value < counters.get((name, labels), 0.0):
                    fallen.append(f"{name}{labels}")
                counters[name, labels] = value
            scrape_at = now + SCRAPE_SECONDS
        send(chance)
        sent += 1
        time.sleep(1 / PER_SECOND[connection.vendor])
    assert not fallen
    wait_until(is_calm, timeout=300, every=1.0)
    expected = from_rows(clock.now())
    # An answer may be two seconds old.
    wait_until(lambda: not differences(scrape(client), expected), timeout=30, explain=lambda: told(client, expected))
    for running in (*workers, relay):
        running.good_ends = {0, -signal.SIGTERM}
        running.stop()
    figures = {
        "sent": sent, "kills": kills, "scrapes": len(scrapes), "longest_seconds": round(max(scrapes), 3),
        "crashes": sum(expected["tasks_crashes_total"].values()), "samples": sum(map(len, expected.values())),
    }  # fmt: skip
    print(f"\nthe storm: {json.dumps(figures)}")
    assert kills, "a storm shorter than a kill shows little"


def start(command: Any) -> Any:
    return command("runworker", "--single", "--threads", "4", LOG_LEVEL="WARNING")


def scrape(client: Client) -> dict[str, Samples]:
    response = client.get("/metrics")
    assert response.status_code == 200
    return parsed(response.content.decode())


def counts(found: dict[str, Samples]) -> list[tuple[str, tuple[str, ...], float]]:
    """Return the samples that never fall."""
    return [
        (name, labels, value)
        for name, samples in found.items()
        if name.endswith(("_total", "_count", "_sum", "_bucket")) and name.startswith("tasks_")
        for labels, value in samples.items()
    ]


def send(chance: random.Random) -> None:
    """Send a task: most complete, some fail, are retried, wait for a limit or an hour, or are cancelled."""
    kind = chance.random()
    if kind < 0.5:
        tasks.say.send(1)
    elif kind < 0.65:
        tasks.fail_times.send(chance.randrange(6))
    elif kind < 0.8:
        tasks.slow_effect.send("storm", chance.random())
    elif kind < 0.85:
        tasks.three_at_once.send(0.2)
    elif kind < 0.9:
        tasks.expected.send()
    elif kind < 0.95:
        tasks.say.send_with_options(args=(1,), delay=HOUR_MS)
    else:
        ledger.cancel(tasks.say.send_with_options(args=(1,), delay=HOUR_MS).message_id)


def is_calm() -> bool:
    """Return whether nothing is left but what waits for an hour."""
    return not TaskStatus.objects.unfinished().exclude(status="pending", run_at__gt=clock.now()).exists() and not (
        TaskStatus.objects.filter(status="pending", retries__gt=0).exists()
    )


def told(client: Client, expected: dict[str, Samples]) -> str:
    return "\n".join(differences(scrape(client), expected)[:20])
