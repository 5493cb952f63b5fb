"""Reads the rows of the storm's database, without Django: its own connections have other ways to fail."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.chaos.database import Cluster, Sqlite
from tests.chaos.history import Effect, Ended, Row
from tests.chaos.invariants import GONE_QUEUES

#: A callback's first argument is the message that it is about.
NONCE = """CASE task_name
    WHEN 'chaos.on_success' THEN (args -> 0 -> 'args' ->> 0) || '/success'
    WHEN 'chaos.on_failure' THEN (args -> 0 -> 'args' ->> 0) || '/failure'
    WHEN 'chaos.on_exhausted' THEN (args -> 0 -> 'args' ->> 0) || '/exhausted'
    ELSE args ->> 0 END"""
ROWS = f"""SELECT id, task_id, task_name, queue_name, status, attempt, crashes, {NONCE}, options ->> 'slot',
    substr(CAST(result AS text), 1, 100), substr(error_message, 1, 200),
    run_at, started_at, finished_at, unknown_since, created_at, options ->> 'unique'
    FROM tasks_taskstatus ORDER BY id"""
ENDED = """SELECT a.task_id, a.attempt, a.outcome, w.pid, a.ended_at, substr(a.error_message, 1, 200)
    FROM tasks_taskattempt a
    LEFT JOIN tasks_workerprocess w ON w.id = a.worker_id ORDER BY a.id"""
EFFECTS = "SELECT nonce, task_id, attempt, at FROM acting_effect ORDER BY id"
TALLIED = ("sent", "completed", "failed", "cancelled", "retried", "rescued")
SETTLED = "SELECT settled_until FROM tasks_tallymark"
TALLIES = f"""SELECT ({SETTLED}), {", ".join(f"sum({kind})" for kind in TALLIED)}
    FROM tasks_tally WHERE span = 1 AND start < ({SETTLED})"""
WAITING = f"""SELECT count(*) FROM tasks_taskstatus WHERE status IN ('pending', 'processing')
    AND (unknown_since IS NULL OR queue_name NOT IN ('{"', '".join(GONE_QUEUES)}'))"""


class Rows:
    """The tables of the task system, as values of the history."""

    def __init__(self, database: Cluster | Sqlite) -> None:
        self.database = database
        self.offset = time.time() - time.monotonic()

    def tasks(self) -> Iterator[Row]:
        for found in self.database.query(ROWS):
            names = (
                "id", "task_id", "task_name", "queue_name", "status", "attempt", "crashes", "nonce", "slot", "result",
                "error_message",
            )  # fmt: skip
            values: dict[str, Any] = dict(zip(names, found, strict=False))
            times = zip(
                ("run_at", "started_at", "finished_at", "unknown_since", "created_at"), found[11:16], strict=True
            )
            values |= {name: self._seconds(value) for name, value in times}
            yield Row(**values, key=found[16])

    def ended(self) -> Iterator[Ended]:
        for row_id, attempt, outcome, pid, ended_at, error in self.database.query(ENDED):
            at = self._seconds(ended_at) or 0.0
            yield Ended(row_id=row_id, attempt=attempt, outcome=outcome, pid=pid, ended_at=at, error=error)

    def effects(self) -> Iterator[Effect]:
        for nonce, task_id, attempt, at in self.database.query(EFFECTS):
            yield Effect(nonce=nonce, task_id=task_id, attempt=attempt, at=self._seconds(at))

    def waiting(self) -> int:
        """Return the number of unfinished tasks that do not say why they wait."""
        return int(self.database.query(WAITING)[0][0])

    def open_groups(self) -> int:
        return int(self.database.query("SELECT count(*) FROM tasks_taskgroup WHERE ended_at IS NULL")[0][0])

    def settled_until(self) -> float:
        """Return the time before which the relays have counted all events for good."""
        return max((self._seconds(value) or 0.0 for (value,) in self.database.query(SETTLED)), default=0.0)

    def tallied(self) -> tuple[float, dict[str, int]]:
        """Return that time, and the events until then by kind."""
        [(until, *numbers)] = self.database.query(TALLIES)
        found = {kind: int(number or 0) for kind, number in zip(TALLIED, numbers, strict=True)}
        return self._seconds(until) or 0.0, found

    def living_workers(self) -> set[str]:
        found = self.database.query("SELECT id FROM tasks_workerprocess WHERE stopped_at IS NULL")
        return {str(pk).replace("-", "") for (pk,) in found}

    def _seconds(self, value: Any) -> float | None:
        """Return a time of the database by the monotonic clock."""
        if value is None:
            return None
        if isinstance(value, str):
            value = datetime.fromisoformat(value).replace(tzinfo=UTC)
        return float(value.timestamp()) - self.offset
