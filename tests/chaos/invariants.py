"""The invariants, each a function over the history that yields its breaches."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from apps.tasks import states
from tests.chaos.history import Row
from tests.chaos.seen import COMPLETES, Seen

#: Seconds after the last fault in which everything must have found its way.
SETTLED_SECONDS = 60
#: Other starts within `BUSY_SECONDS` before a start that make its wait a wait for a thread.
BUSY_STARTS = 5
BUSY_SECONDS = 5
#: Queues that the last version of the code no longer has. A row there may wait, if it says so.
GONE_QUEUES = ("chaos-old",)
#: Limits of `chaos.limited` and `chaos.paced`.
PLACES, STARTS_A_SECOND = 4, 20
TRANSACTIONAL = ("chaos.commit", "chaos.commit_parent")
#: Actors that harm those after them, and the errors of these.
HARMFUL = ("chaos.leave_atomic", "chaos.async_exit")
HARMS = ("in an atomic block", "inside a transaction", "Event loop")
#: Errors that only mean harm while nothing else is disturbed, and the seconds that a disturbance counts.
QUIET_HARMS = ("connection is closed", "closed database")
QUIET_SECONDS = 5
#: Seconds by which two clocks of one machine may differ.
TOLERANCE_SECONDS = 0.005


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


@invariant("wrote after it was cancelled")
def wrote_after_it_was_cancelled(seen: Seen) -> Iterator[Any]:
    """A cancelled task does nothing more to the database once its row says so."""
    if not seen.clock_is_ours:
        return
    for effect in seen.history.effects:
        row = seen.rows.get(effect.task_id)
        if row is None or row.status != "cancelled" or effect.at is None or row.finished_at is None:
            continue
        if effect.at > row.finished_at + TOLERANCE_SECONDS:
            yield _told(row) | {"seconds": round(effect.at - row.finished_at, 3)}


@invariant("effect lost")
def effect_lost(seen: Seen) -> Iterator[Any]:
    """The writes of an attempt that completed are there."""
    for row in seen.rows.values():
        key = (row.task_id, row.attempt)
        if row.status == "completed" and key in seen.wrote and not seen.effects[key]:
            yield _told(row)


#: States of a row in the end, by the status that a sender read before.
ENDS = {"SUCCESSFUL": states.COMPLETED, "FAILED": states.FAILED}


@invariant("read otherwise than it ended")
def read_otherwise(seen: Seen) -> Iterator[Any]:
    """A result that a sender reads by Django's Tasks API is that of a row, and an end that it tells is the last one."""
    for note in seen.reads:
        row, status = seen.rows.get(note["task_id"]), note["status"]
        if row is None:
            is_right = status == "unknown"
        elif status in ENDS:
            is_right = row.status == ENDS[status] and note["value"] == (row.result and int(row.result))
        else:
            # A commit whose sender lost the answer may come late.
            is_right = status != "unknown" or seen.words.get(row.nonce or "") != "sent"
        if not is_right:
            yield {"read": note, "row": row and _told(row)}


@invariant("tallied otherwise than the rows say")
def tallied_otherwise(seen: Seen) -> Iterator[Any]:
    """The counts of the control room are those of the rows and of the attempts that did not complete."""
    history, found = seen.history, Counter[str]()
    if not history.tallied:
        return
    attempts = {row.id: row.attempt for row in history.rows}
    until = history.tallied_until
    for row in history.rows:
        found["sent"] += row.created_at is not None and row.created_at < until
        found[row.status] += row.finished_at is not None and row.finished_at < until
    for ended in history.ended:
        if ended.ended_at >= until:
            continue
        found["retried"] += ended.outcome == states.RETRY.name
        found["rescued"] += ended.outcome in (states.RESCUE.name, states.POISON.name)
        if ended.attempt < attempts.get(ended.row_id, 0):  # Its row tells another end by now.
            found["failed"] += ended.outcome in (states.FAIL.name, states.POISON.name)
            found["cancelled"] += ended.outcome == states.CANCEL_CLAIMED.name
    for kind, number in history.tallied.items():
        if number != found[kind]:
            yield {"kind": kind, "tallied": number, "rows": found[kind]}


@invariant("harmed by another task")
def harmed_by_another(seen: Seen) -> Iterator[Any]:
    """A task that leaves its connection inside a transaction, or ends its event loop, harms no task after it."""
    rows = {row.id: row for row in seen.rows.values()}
    for ended in seen.history.ended:
        row = rows.get(ended.row_id)
        is_quiet = not seen.is_disturbed(since=ended.ended_at - QUIET_SECONDS, until=ended.ended_at)
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
    """After the last fault a due task waits for a thread or its limit at most, or its row says why it waits."""
    settled = seen.history.calm_at + SETTLED_SECONDS
    times = seen.start_times
    limited = sorted(start.at for row in _of(seen, "chaos.limited") for start in seen.starts.get(row.task_id, ()))
    for row in seen.rows.values():
        if row.status in states.UNFINISHED:
            if not says_why(row):
                yield _told(row)
            continue
        last = max((start.at for start in seen.starts.get(row.task_id, ())), default=0.0)
        if row.task_name == "chaos.limited" and any(last - BUSY_SECONDS < at < last for at in limited):
            continue  # Its line moved.
        if last > settled and sum(last - BUSY_SECONDS < at < last for at in times) < BUSY_STARTS:
            yield _told(row) | {"seconds": round(last - seen.history.calm_at, 1)}


@invariant("more at once than the limit")
def more_at_once(seen: Seen) -> Iterator[Any]:
    """No more tasks of a limited actor run at once than it has places, by the ends that the rows tell."""
    if not seen.clock_is_ours:
        return
    task_ids = {row.id: row.task_id for row in seen.rows.values()}
    ends = {(task_ids.get(ended.row_id), ended.attempt): ended.ended_at for ended in seen.history.ended}
    steps = []
    for row in _of(seen, "chaos.limited"):
        ends[row.task_id, row.attempt] = row.finished_at or float("inf")
        for start in seen.starts.get(row.task_id, ()):
            # An attempt without an end was released, which no row tells.
            if (end := ends.get((row.task_id, start.attempt))) is not None:
                steps += [(start.at, 1), (max(end - TOLERANCE_SECONDS, start.at), -1)]
    now = 0
    for at, step in sorted(steps):
        now += step
        if now > PLACES:
            yield {"at": at, "running": now}


@invariant("more starts in a second than the limit")
def more_starts(seen: Seen) -> Iterator[Any]:
    """No stretch of a second has more starts of a limited actor than its rate."""
    if not seen.clock_is_ours:
        return
    times = sorted(start.at for row in _of(seen, "chaos.paced") for start in seen.starts.get(row.task_id, ()))
    for first, last in zip(times, times[STARTS_A_SECOND:], strict=False):
        if last - first < 1 - TOLERANCE_SECONDS:
            yield {"at": first, "seconds": round(last - first, 3)}


@invariant("two unfinished tasks of one key")
def two_of_a_key(seen: Seen) -> Iterator[Any]:
    """A task with the key of another is sent after that one has ended."""
    if not seen.clock_is_ours:
        return
    by_key: defaultdict[str, list[Row]] = defaultdict(list)
    for row in seen.rows.values():
        if row.key is not None:
            by_key[row.key].append(row)
    for key, rows in by_key.items():
        for first, second in pairwise(sorted(rows, key=lambda row: row.created_at or 0)):
            if (first.finished_at or float("inf")) > (second.created_at or 0) + TOLERANCE_SECONDS:
                yield {"key": key, "first": _told(first), "second": _told(second)}


@invariant("slot fired twice")
def slot_fired_twice(seen: Seen) -> Iterator[Any]:
    """A schedule's slot is one task."""
    slots = Counter(row.slot for row in seen.rows.values() if row.slot)
    yield from (slot for slot, count in slots.items() if count > 1)


@invariant("group not called back")
def group_not_called_back(seen: Seen) -> Iterator[Any]:
    """A group whose tasks have ended is noticed."""
    if seen.history.open_groups:
        yield seen.history.open_groups


@invariant("message left in Redis")
def message_left(seen: Seen) -> Iterator[Any]:
    """An acked message has a durable outcome, and the message of a finished task is acked.

    A copy may stay on a queue that no worker takes from any more: the relay drops what it moves, if Redis answers.
    """
    waiting = Counter(row.queue_name for row in seen.rows.values() if row.status in states.UNFINISHED)
    for key, count in seen.history.left.items():
        queue_name = key.rpartition(":")[2]
        if queue_name not in GONE_QUEUES and count > waiting[queue_name]:
            yield key, count


@invariant("process stopped badly")
def process_stopped_badly(seen: Seen) -> Iterator[Any]:
    """A process ends only when it is asked to, and with 0."""
    yield from ((name, code) for name, code in seen.history.ends.items() if code != 0)


def _of(seen: Seen, task_name: str) -> Iterator[Row]:
    return (row for row in seen.rows.values() if row.task_name == task_name)


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
