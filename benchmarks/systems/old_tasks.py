"""Old tasks of aiWriting: made by SQL, deleted as the relay does it."""

import threading
import time
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import states
from apps.tasks.ledger import Kept, Retention
from apps.tasks.models import TaskStatus
from workers import relay
from workers.retention import kept

#: Rows that one statement adds, at most.
FILL = 100_000
#: Days over which the ends of the old tasks are spread.
DAYS = 100
#: Of 100 tasks, those that failed and were cancelled. The rest completed.
FAILED, CANCELLED = 2, 1
#: Days that the tasks of the simulated month are kept.
KEPT_DAYS = 7

#: SQL of a task's values where they are not those of the copied row. `n` counts from 0, `at` is its end.
VALUES = {
    "postgresql": {
        "task_id": "gen_random_uuid()::text",
        "related_object_type": "'documents.Document'",
        "related_object_id": "n",
        "at": "now() - make_interval(secs => %(begin)s - n * %(step)s)",
        "series": "generate_series(%(first)s, %(last)s) AS series(n)",
    },
    "sqlite": {
        "task_id": "lower(hex(randomblob(4))) || '-' || substr(lower(hex(randomblob(14))), 1, 27)",
        "related_object_type": "'documents.Document'",
        "related_object_id": "n",
        "at": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', (n * %(step)s - %(begin)s) || ' seconds')",
        "series": "(WITH RECURSIVE numbers(n) AS (SELECT %(first)s UNION ALL SELECT n + 1 FROM numbers "
        "WHERE n < %(last)s) SELECT n FROM numbers) AS series",
    },
}


def fill_old(count: int, oldest_days: float = DAYS, youngest_days: float = 0) -> None:
    """Add ended tasks in the order of their ends: copies of a completed one, with an owner and a related object."""
    owner, _ = User.objects.get_or_create(username="benchmark")
    own = dict(VALUES[connection.vendor])
    at, series = own.pop("at"), own.pop("series")
    own |= dict.fromkeys(("created_at", "updated_at", "run_at", "claimed_at", "started_at", "finished_at"), at)
    own |= {
        "owner_id": str(owner.pk),
        "status": f"CASE WHEN n %% 100 < {FAILED} THEN '{states.FAILED}' "
        f"WHEN n %% 100 < {FAILED + CANCELLED} THEN '{states.CANCELLED}' ELSE '{states.COMPLETED}' END",
    }
    columns = [field.column for field in TaskStatus._meta.concrete_fields if not field.primary_key]
    values = ", ".join(own.get(str(column), f'model."{column}"') for column in columns)
    names, table = ", ".join(f'"{column}"' for column in columns), TaskStatus._meta.db_table
    model = TaskStatus.objects.filter(status=states.COMPLETED).latest("pk").pk
    seconds = (oldest_days - youngest_days) * 86_400
    times = {"begin": oldest_days * 86_400, "step": seconds / count}
    with connection.cursor() as cursor:
        for first in range(0, count, FILL):
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {values} "
                f"FROM {table} AS model, {series} WHERE model.id = {model}",
                {**times, "first": first, "last": min(first + FILL, count) - 1},
            )


def make_older(days: int) -> None:
    """Let all tasks have ended so many days ago. Then the youngest of those that follow have the highest ids."""
    then = timezone.now() - timedelta(days=days)
    TaskStatus.objects.update(created_at=then, finished_at=then)


def size() -> dict[str, int]:
    """Return the bytes of the table, of its indexes, and of the whole database, and the number of rows."""
    table, rows = TaskStatus._meta.db_table, TaskStatus.objects.count()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_table_size(%s), pg_indexes_size(%s), pg_database_size(current_database())", [table, table]
            )
            heap, indexes, whole = cursor.fetchone()
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
            heap, indexes, [whole] = 0, 0, cursor.fetchone()
    return {"rows": rows, "table": heap, "indexes": indexes, "whole": whole}


class Retaining(threading.Thread):
    """Deletes as a relay does: a step, then the relay's pause."""

    def __init__(self, *, pause_seconds: float) -> None:
        super().__init__(daemon=True)
        self.pause_seconds = pause_seconds
        self.steps_ms: list[float] = []
        self.work = Retention()
        self.seconds = 0.0
        self.error = ""
        self.is_asked_to_stop = threading.Event()

    def run(self) -> None:
        began, times = time.monotonic(), kept({})
        try:
            while not self.is_asked_to_stop.is_set():
                step = time.monotonic()
                has_more = self.work.work(times, seconds=relay.DELETE_SECONDS)
                self.steps_ms.append((time.monotonic() - step) * 1000)
                if not has_more:
                    break
                rest = self.steps_ms[-1] / 1000 * relay.DELETE_REST
                self.is_asked_to_stop.wait(max(self.pause_seconds, rest) if self.pause_seconds else 0)
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
        self.seconds = time.monotonic() - began
        connection.close()


_running: list[Retaining] = []


def start_retaining(pause_seconds: float | None = None) -> None:
    _running.append(Retaining(pause_seconds=relay.DUE_SECONDS if pause_seconds is None else pause_seconds))
    _running[-1].start()


def is_retaining() -> bool:
    return bool(_running) and _running[-1].is_alive()


def stop_retaining() -> dict[str, Any]:
    """Stop, and return the time, the steps and the number of deleted rows."""
    found = _running.pop()
    found.is_asked_to_stop.set()
    found.join()
    if found.error:
        raise RuntimeError(found.error)
    return {"seconds": found.seconds, "steps_ms": found.steps_ms, "deleted": found.work.deleted}


def month(per_day: int, days: int) -> list[dict[str, int]]:
    """Simulate days on each of which tasks end and old ones are deleted. Return the sizes at the end of each.

    The first week fills the table. On PostgreSQL autovacuum looks each second: a day here takes seconds.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
            cursor.execute("SELECT pg_reload_conf()")
    sizes = []
    make_older(10 * days)
    for day in range(days):
        age = days - day
        fill_old(per_day, oldest_days=age, youngest_days=age - 1)
        work, times = Retention(), Kept(by_state=dict.fromkeys(states.TERMINAL, timedelta(days=KEPT_DAYS + age - 1)))
        while work.work(times, seconds=relay.DELETE_SECONDS):
            pass
        sizes.append(size() | {"deleted": work.deleted})
    return sizes
