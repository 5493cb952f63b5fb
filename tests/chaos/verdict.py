"""The verdict: invariants, each a function over the recorded history that yields its breaches.

python -m tests.chaos.verdict DIRECTORY    # judges a recorded storm again
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from apps.tasks import states
from tests.chaos.history import Fault, History, Row, read

#: Seconds after the last fault in which everything must have found its way.
SETTLED_SECONDS = 60
#: Other starts within `BUSY_SECONDS` before a start that make its wait a wait for a thread.
BUSY_STARTS = 5
BUSY_SECONDS = 5
#: Queues that the last version of the code no longer has. A row there may wait, if it says so.
GONE_QUEUES = ("chaos-old",)
TRANSACTIONAL = ("chaos.commit", "chaos.commit_parent")
#: Actors that harm those after them, and the errors of these.
HARMFUL = ("chaos.leave_atomic", "chaos.async_exit")
HARMS = ("in an atomic block", "inside a transaction", "Event loop")
#: Errors that only mean harm while nothing else is disturbed, and the seconds that a disturbance counts.
QUIET_HARMS = ("connection is closed", "closed database")
QUIET_SECONDS = 5
COMPLETES: dict[str, Any] = {"ends": ["completed"], "reason": "", "follow_ups": []}
#: Seconds by which two clocks of one machine may differ.
TOLERANCE_SECONDS = 0.005


@dataclass(frozen=True)
class Start:
    """A run of an actor, as the task noted it."""

    task_id: str
    attempt: int
    nonce: str
    at: float


class Seen:
    """The history by nonce and by task."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.rows = {row.task_id: row for row in history.rows}
        self.planned: dict[str, dict[str, Any]] = {}
        self.transactions: list[dict[str, Any]] = []
        self.words: dict[str, str] = {}
        self.starts: defaultdict[str, list[Start]] = defaultdict(list)
        self.wrote: set[tuple[str, int]] = set()
        for note in history.notes:
            self._take(note)

    def _take(self, note: dict[str, Any]) -> None:
        match note["word"]:
            case "sending":
                self.transactions.append(note)
                for one in note["planned"]:
                    self.planned[one["nonce"]] = {**one, "began": note["began"], "sending": note["at"]}
                    self.words[one["nonce"]] = "sending"
            case "sent" | "rolled-back" as word:
                self.words |= dict.fromkeys(note["nonces"], word)
            case "start":
                start = Start(note["task_id"], note["attempt"], note["nonce"], note["at"])
                self.starts[start.task_id].append(start)
            case "wrote":
                self.wrote.add((note["task_id"], note["attempt"]))

    @cached_property
    def rows_of(self) -> dict[str, list[Row]]:
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.rows.values():
            if row.nonce is not None:
                found[row.nonce].append(row)
        return dict(found)

    @cached_property
    def effects(self) -> Counter[tuple[str, int]]:
        return Counter((effect.task_id, effect.attempt) for effect in self.history.effects)

    @cached_property
    def follow_ups(self) -> dict[str, list[str]]:
        """The nonces of the tasks that must be sent by the ends of others, with those."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for nonce, planned in self.planned.items():
            for follow_up in planned["follow_ups"]:
                found[follow_up].append(nonce)
        return dict(found)

    @cached_property
    def start_times(self) -> list[float]:
        return sorted(start.at for starts in self.starts.values() for start in starts)

    def expected(self, nonce: str) -> dict[str, Any] | None:
        """Return how the task must end. None: no send has announced it."""
        if nonce in self.planned:
            return self.planned[nonce]
        return COMPLETES if nonce in self.follow_ups else None

    @property
    def clock_is_ours(self) -> bool:
        """Whether the database has a clock that no fault stepped."""
        return self.history.about["database"] == "postgresql" or not any(
            fault.kind.startswith("clock") for fault in self.history.faults
        )


# --- The invariants ------------------------------------------------------------------------------

Invariant = Callable[[Seen], Iterator[Any]]
INVARIANTS: dict[str, Invariant] = {}


def invariant(name: str) -> Callable[[Invariant], Invariant]:
    def keep(check: Invariant) -> Invariant:
        INVARIANTS[name] = check
        return check

    return keep


@invariant("lost")
def lost(seen: Seen) -> Iterator[Any]:
    """A committed send has a row."""
    for nonce, word in seen.words.items():
        if word == "sent" and nonce not in seen.rows_of:
            yield nonce


@invariant("sent in half")
def sent_in_half(seen: Seen) -> Iterator[Any]:
    """The sends of a transaction are all recorded, or none is, also if its sender died."""
    for transaction in seen.transactions:
        keeps = transaction["keeps"]
        recorded = [nonce for nonce in keeps if nonce in seen.rows_of]
        if recorded and len(recorded) < len(keeps):
            yield {"recorded": recorded, "of": keeps}


@invariant("sent twice")
def sent_twice(seen: Seen) -> Iterator[Any]:
    """A send is one row."""
    for nonce, rows in seen.rows_of.items():
        if len(rows) > 1:
            yield {nonce: [row.task_id for row in rows]}


@invariant("rolled back and recorded")
def rolled_back_and_recorded(seen: Seen) -> Iterator[Any]:
    """A rolled-back send leaves nothing."""
    dropped = {nonce for nonce, word in seen.words.items() if word == "rolled-back"}
    for transaction in seen.transactions:
        dropped |= {one["nonce"] for one in transaction["planned"]} - set(transaction["keeps"])
    for nonce in dropped:
        if nonce in seen.rows_of:
            yield nonce
    for starts in seen.starts.values():
        yield from ({"started": start.nonce} for start in starts if start.nonce in dropped)


@invariant("recorded and not sent")
def recorded_and_not_sent(seen: Seen) -> Iterator[Any]:
    """Every row comes from a send, and every run has a row."""
    for nonce in seen.rows_of:
        if seen.expected(nonce) is None:
            yield nonce
    for task_id in seen.starts:
        if task_id not in seen.rows:
            yield {"ran without a row": task_id}


@invariant("unfinished")
def unfinished(seen: Seen) -> Iterator[Any]:
    """Every row is terminal, or says why no worker can take it."""
    for row in seen.rows.values():
        if row.status in states.UNFINISHED and not says_why(row):
            yield _told(row)


@invariant("ended otherwise than expected")
def ended_otherwise(seen: Seen) -> Iterator[Any]:
    """A task ends in the state that its actor makes, and a failed one says why."""
    for row in seen.rows.values():
        expected = COMPLETES if row.nonce is None else seen.expected(row.nonce)
        if expected is None or row.status in states.UNFINISHED:
            continue
        if row.status not in expected["ends"] or (
            row.status == "failed" and expected["reason"] not in row.error_message
        ):
            yield _told(row)


@invariant("started before it was committed")
def started_before_commit(seen: Seen) -> Iterator[Any]:
    """No task runs before its row is committed."""
    for starts in seen.starts.values():
        planned = seen.planned.get(starts[0].nonce)
        if planned and any(start.at < planned["sending"] for start in starts):
            yield starts[0].nonce


@invariant("started before its time")
def started_before_its_time(seen: Seen) -> Iterator[Any]:
    """No task runs before its `run_at`."""
    if not seen.clock_is_ours:
        return
    for starts in seen.starts.values():
        planned = seen.planned.get(starts[0].nonce)
        if planned:
            due = planned["began"] + planned["delay_ms"] / 1000
            if min(start.at for start in starts) < due - TOLERANCE_SECONDS:
                yield starts[0].nonce
    for row in seen.rows.values():
        if row.started_at is not None and row.run_at is not None and row.started_at < row.run_at - TOLERANCE_SECONDS:
            yield _told(row)


@invariant("started twice")
def started_twice(seen: Seen) -> Iterator[Any]:
    """An attempt starts once."""
    for task_id, starts in seen.starts.items():
        attempts = [start.attempt for start in starts]
        if len(set(attempts)) < len(attempts):
            yield {task_id: attempts}


@invariant("started after its end")
def started_after_its_end(seen: Seen) -> Iterator[Any]:
    """No attempt starts after the one that finished the row."""
    for task_id, starts in seen.starts.items():
        row = seen.rows.get(task_id)
        if row and row.status in states.TERMINAL and max(start.attempt for start in starts) > row.attempt:
            yield _told(row)


@invariant("finished by another attempt")
def finished_by_another(seen: Seen) -> Iterator[Any]:
    """The attempt that the row names has started and has written the result: each actor returns its attempt."""
    for row in seen.rows.values():
        if row.status != "completed" or row.nonce is None:
            continue
        has_started = any(start.attempt == row.attempt for start in seen.starts.get(row.task_id, ()))
        if not has_started or (row.result or "") != str(row.attempt):
            yield _told(row) | {"result": row.result, "started": has_started}


@invariant("transactional effect twice")
def transactional_effect_twice(seen: Seen) -> Iterator[Any]:
    """The writes of a transactional actor and its completion are one commit."""
    counts: Counter[str] = Counter()
    for (task_id, _), count in seen.effects.items():
        counts[task_id] += count
    for row in seen.rows.values():
        is_done = row.status == "completed"
        if row.task_name in TRANSACTIONAL and counts[row.task_id] != is_done:
            yield _told(row) | {"effects": counts[row.task_id]}


@invariant("effect lost")
def effect_lost(seen: Seen) -> Iterator[Any]:
    """The writes of an attempt that completed are there."""
    for row in seen.rows.values():
        key = (row.task_id, row.attempt)
        if row.status == "completed" and key in seen.wrote and not seen.effects[key]:
            yield _told(row)


@invariant("harmed by another task")
def harmed_by_another(seen: Seen) -> Iterator[Any]:
    """A task that leaves its connection inside a transaction, or ends its event loop, harms no task after it."""
    rows = {row.id: row for row in seen.rows.values()}
    for ended in seen.history.ended:
        row = rows.get(ended.row_id)
        is_quiet = not _was_disturbed(seen, since=ended.ended_at - QUIET_SECONDS, until=ended.ended_at)
        harms = HARMS + QUIET_HARMS if is_quiet else HARMS
        if row and row.task_name not in HARMFUL and any(text in ended.error for text in harms):
            yield _told(row) | {"error": ended.error}


@invariant("follow-up missing")
def follow_up_missing(seen: Seen) -> Iterator[Any]:
    """A committed outcome has sent each of its follow-ups once."""
    for nonce, parents in seen.follow_ups.items():
        ended = [seen.rows_of[parent][0] for parent in parents if parent in seen.rows_of]
        is_due = len(ended) == len(parents) and all(
            row.status in seen.planned[row.nonce or ""]["ends"] for row in ended
        )
        if is_due and nonce not in seen.rows_of:
            yield {nonce: [_told(row) for row in ended]}


@invariant("waiting without a reason for longer than 60 s after the last fault")
def waiting_without_a_reason(seen: Seen) -> Iterator[Any]:
    """After the last fault a due task waits for a thread at most, or its row says why it waits."""
    settled = seen.history.calm_at + SETTLED_SECONDS
    times = seen.start_times
    for row in seen.rows.values():
        if row.status in states.UNFINISHED:
            if not says_why(row):
                yield _told(row)
            continue
        last = max((start.at for start in seen.starts.get(row.task_id, ())), default=0.0)
        if last > settled and sum(last - BUSY_SECONDS < at < last for at in times) < BUSY_STARTS:
            yield _told(row) | {"seconds": round(last - seen.history.calm_at, 1)}


@invariant("slot fired twice")
def slot_fired_twice(seen: Seen) -> Iterator[Any]:
    """A schedule's slot is one task."""
    slots = Counter(row.slot for row in seen.rows.values() if row.slot)
    yield from (slot for slot, count in slots.items() if count > 1)


@invariant("group not called back")
def group_not_called_back(seen: Seen) -> Iterator[Any]:
    """A group whose tasks completed is counted to its end."""
    if seen.history.open_groups:
        yield seen.history.open_groups


@invariant("message left in Redis")
def message_left(seen: Seen) -> Iterator[Any]:
    """An acked message has a durable outcome, and the message of a finished task is acked."""
    waiting = Counter(row.queue_name for row in seen.rows.values() if row.status in states.UNFINISHED)
    for key, count in seen.history.left.items():
        if count > waiting[key.rpartition(":")[2]]:
            yield key, count


@invariant("process stopped badly")
def process_stopped_badly(seen: Seen) -> Iterator[Any]:
    """A process ends only when it is asked to, and with 0."""
    yield from ((name, code) for name, code in seen.history.ends.items() if code != 0)


def says_why(row: Row) -> bool:
    """Return whether the row says why it waits, and is right."""
    return row.unknown_since is not None and row.queue_name in GONE_QUEUES


def _told(row: Row) -> dict[str, Any]:
    return {
        "id": row.task_id,
        "task": row.task_name,
        "nonce": row.nonce,
        "queue": row.queue_name,
        "status": row.status,
        "attempt": row.attempt,
        "crashes": row.crashes,
        "error": row.error_message[:120],
    }


# --- The verdict ---------------------------------------------------------------------------------


@dataclass
class Verdict:
    """Figures, and the breaches of each invariant."""

    figures: dict[str, Any] = field(default_factory=dict)
    breaches: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def broken(self) -> dict[str, list[Any]]:
        """The invariants that do not hold, with examples."""
        return {name: found[:5] for name, found in self.breaches.items() if found}

    def write(self, directory: Path) -> None:
        """Write an assertion a line, and the figures."""
        lines = [
            {"invariant": name, "about": INVARIANTS[name].__doc__, "holds": not found, "breaches": found}
            for name, found in self.breaches.items()
        ]
        (directory / "assertions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (directory / "figures.json").write_text(json.dumps(self.figures, indent=2) + "\n")


def judge(history: History) -> Verdict:
    seen = Seen(history)
    verdict = Verdict(breaches={name: list(check(seen)) for name, check in INVARIANTS.items()})
    words = Counter(seen.words.values())
    last_end = max((row.finished_at or 0 for row in seen.rows.values()), default=0)
    slowest, measured = rescues(seen)
    verdict.figures = {
        **history.about,
        "tasks": len(seen.rows),
        "sent": words["sent"],
        "rolled back": words["rolled-back"],
        "interrupted while sending": words["sending"],
        "runs": sum(map(len, seen.starts.values())),
        "slots fired": sum(1 for row in seen.rows.values() if row.slot),
        "waiting with a reason": sum(row.status in states.UNFINISHED and says_why(row) for row in seen.rows.values()),
        "attempts that did not complete": dict(Counter(ended.outcome for ended in history.ended)),
        "faults": dict(Counter(fault.kind for fault in history.faults).most_common()),
        "breaches": {name: len(found) for name, found in verdict.breaches.items()},
        "all done after the last fault, seconds": round(max(last_end - history.calm_at, 0), 1),
        "rescues measured": measured,
        "slowest undisturbed rescue, seconds": round(slowest, 2),
    }
    return verdict


def rescues(seen: Seen) -> tuple[float, int]:
    """Measure the seconds from the kill of a worker to the new start of its task, if nothing else was disturbed.

    Returns:
      The longest, and the number of those measured.
    """
    starts = {(start.task_id, start.attempt): start.at for found in seen.starts.values() for start in found}
    task_ids = {row.id: row.task_id for row in seen.rows.values()}
    took = []
    for kill in [fault for fault in seen.history.faults if fault.kind == "kill -9 worker"]:
        for ended in seen.history.ended:
            is_its = ended.outcome == "rescue" and ended.pid == kill.pid and 0 < ended.ended_at - kill.at < 30
            start = starts.get((task_ids.get(ended.row_id, ""), ended.attempt + 1)) if is_its else None
            if start is not None and not _was_disturbed(seen, since=kill.at - 1, until=start, but=kill):
                took.append(start - kill.at)
    return max(took, default=0.0), len(took)


def _was_disturbed(seen: Seen, *, since: float, until: float, but: Fault | None = None) -> bool:
    """Return whether something was disturbed in that time."""
    return any(
        fault is not but and fault.at < until and (fault.until or until) > since for fault in seen.history.faults
    )


if __name__ == "__main__":
    found = judge(read(Path(sys.argv[1])))
    print(json.dumps(found.figures, indent=2))
    print(json.dumps(found.broken, indent=2))
    sys.exit(bool(found.broken))
