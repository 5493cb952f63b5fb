"""Run everything of the Procfile under mixed work for an hour, and tell what grew.

Only its name runs it: `bin/test tests/deploy/soak.py --database=postgresql`. `SOAK_MINUTES` says another time.

Tasks that ended ten minutes ago count as old, so that the relay deletes as many as are sent.
"""

import contextlib
import itertools
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import median

import psutil
import pytest
import redis
from django.db import connection
from django.db.models import F
from django.utils import timezone

from apps.tasks.models import TaskStatus
from tests.acting import isolated, tasks
from tests.commands import RunningCommand
from tests.deploy.rolling_restart import Balancer, Site, at_rate
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

MINUTES = int(os.environ.get("SOAK_MINUTES", "60"))
TASKS_A_SECOND, REQUESTS_A_SECOND = 10, 5
#: Minutes until caches are full and the first rows are deleted, at most. The figures before do not count.
WARM_UP_MINUTES = 15
#: Figures that are compared: the median of so many minutes after the warm-up and of as many at the end.
COMPARED_MINUTES = 5
KEPT = timedelta(minutes=10)
#: A younger process is the child of an isolated task, and counts as none.
CHILD_SECONDS = 30
#: Processes below the ones of the Procfile, by a word of their command lines.
ROLES = {"--single": "worker process", "runrelay": "relay", "isolation.server": "server of isolated tasks"}
LONG_AGO = timedelta(days=400)
#: A figure may grow by this share, and a small one by this number, before the run fails.
MOST_GROWTH, LEAST_GROWTH = 0.1, {"memory, MB": 8.0, "descriptors": 8.0, "connections": 4.0, "MB": 4.0}

SENDS: tuple[Callable[[str], object], ...] = (
    lambda name: tasks.effect.send(name),
    lambda name: tasks.slow_effect.send(name, 0.5),
    lambda name: tasks.transactional_effect.send(name),
    lambda name: tasks.unique_effect.send(name),
    lambda name: tasks.fail_times.send(2),
    lambda name: tasks.hello.send(name),
    lambda name: tasks.three_at_once.send(0.1),
    lambda name: tasks.one_a_key.send(int(name[-1])),
    lambda name: tasks.send_child.send(name),
    lambda name: tasks.effect.send_with_options(args=(name,), delay=2_000),
    lambda name: tasks.effect.send_with_options(args=(name,), priority=-5),
    lambda name: tasks.expected.send(),
    lambda name: tasks.exhaust.send(),
    lambda name: isolated.isolated_effect.send(name),
)

#: Figures by the kind of thing and its name.
Sample = dict[tuple[str, str], float]


def send(number: int) -> None:
    SENDS[number % len(SENDS)](str(number))


def grow_old() -> None:
    """Let the tasks that ended a while ago have lived long ago."""
    now = timezone.now()
    ended = TaskStatus.objects.filter(finished_at__lt=now - KEPT, finished_at__gt=now - LONG_AGO / 2)
    ended.update(**{name: F(name) - LONG_AGO for name in ("created_at", "run_at", "started_at", "finished_at")})


def look(site: Site, client: "redis.Redis") -> Sample:
    """Return the figures of all processes, of the servers and of the tables now."""
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    now = time.time()
    for name, command, _port in site.running:
        root = psutil.Process(command.pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                if now - process.create_time() > CHILD_SECONDS:
                    role = next((role for word, role in ROLES.items() if word in " ".join(process.cmdline())), name)
                    found["memory, MB", role] += process.memory_info().rss / 1e6
                    found["descriptors", role] += process.num_fds()
    found["connections", "Redis"] = client.info("clients")["connected_clients"]
    found["memory, MB", "Redis"] = client.info("memory")["used_memory"] / 1e6
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()")
            found["connections", "PostgreSQL"] = cursor.fetchone()[0]
            cursor.execute("SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'")
        else:
            cursor.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name HAVING name LIKE 'tasks_%'")
        for name, size in cursor.fetchall():
            if name.startswith("tasks_"):
                found["MB", name] = float(size) / 1e6
    found["rows", "tasks"] = TaskStatus.objects.count()
    return dict(found)


@contextlib.contextmanager
def load(balancer: Balancer) -> Iterator[Counter[str]]:
    """Send requests and tasks during the block. At its end the counter has the numbers of both."""
    stop, sent = threading.Event(), Counter[str]()

    def senders() -> int:
        try:
            return at_rate(TASKS_A_SECOND, stop, send)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as loops, ThreadPoolExecutor(4) as clients:
        requests = loops.submit(at_rate, REQUESTS_A_SECOND, stop, lambda number: clients.submit(balancer.request))
        tasks_sent = loops.submit(senders)
        try:
            yield sent
        finally:
            stop.set()
            sent.update(requests=requests.result(), tasks=tasks_sent.result())


def test_nothing_grows_in_an_hour(
    command: Callable[..., RunningCommand],
    redis_client: "redis.Redis",
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACTING_ISOLATED", "1")
    balancer = Balancer()
    site = Site(command, balancer)
    for name in ("web", "worker", "scheduler"):
        site.add(name)
    samples: list[Sample] = []
    began = time.monotonic()

    with load(balancer) as sent:
        for minute in itertools.count(1):
            time.sleep(max(0, began + 60 * minute - time.monotonic()))
            grow_old()
            samples.append(look(site, redis_client))
            if minute >= MINUTES:
                break
    wait_until(lambda: not TaskStatus.objects.filter(status__in=("pending", "processing")).exists(), timeout=120)

    warm = samples[min(WARM_UP_MINUTES, MINUTES // 2) :]
    starts, ends = warm[:COMPARED_MINUTES], warm[-COMPARED_MINUTES:]
    lines, grown = [], []
    for key in sorted({key for sample in warm for key in sample}):
        start, end = (median(sample.get(key, 0.0) for sample in part) for part in (starts, ends))
        if max(start, end) >= 0.1:
            lines.append(f"{key[1]:32} {key[0]:12} {start:10.1f} {end:10.1f}")
        if key[0] in LEAST_GROWTH and end - start > max(MOST_GROWTH * start, LEAST_GROWTH[key[0]]):
            grown.append(lines[-1])
    with capsys.disabled():
        print(f"\n{MINUTES} minutes, {dict(sent)}, answers {dict(balancer.answers)}\n" + "\n".join(lines))
    assert set(balancer.answers) == {"200"}
    assert not grown
