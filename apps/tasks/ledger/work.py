"""Claim tasks, report their progress and finish them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Case, DurationField, ExpressionWrapper, F, Max, Q, TextField, Value, When
from django.db.models.functions import Cast, Coalesce, Least

from apps.tasks import statements, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.errors import LockedError
from apps.tasks.failures import cause_of
from apps.tasks.ledger.admission import add_starts
from apps.tasks.ledger.locks import patience
from apps.tasks.ledger.record import record
from apps.tasks.ledger.rows import HAS_LINE, UNCLAIMED, by_keys, expire, lock_free, may, pending_again, tell_ended
from apps.tasks.models import TaskAttempt, TaskStatus
from apps.tasks.values import Claim, Held, Outcome, Report, Settled

#: Snoozes that the column can count. A middleware may put a task off for ever.
MOST_SNOOZES = 32_767

TAKEN = Settled(took=True)
DEFERRED = Settled(took=False, deferred=True)


# --- Claim ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a message was not claimed, as far as its row tells.

    Parameters:
      missing: There is no row.
      early: Claimable later. The sender's commit is not visible yet, or another transaction has locked the row.
      suspect: A worker died while it held the task. It may be claimed, but alone.
    """

    task_id: str
    missing: bool = False
    early: bool = False
    suspect: bool = False


def claim(
    attempts: Sequence[tuple[str, int]], *, claim_id: uuid.UUID, worker_id: uuid.UUID
) -> tuple[list[Held], list[Refusal]]:
    """Claim a fetched batch before any of it runs.

    Parameters:
      attempts: Pairs of task id and attempt, from the messages.
      claim_id: Identifies the batch. A repeated call (the first reply may have been lost) gives the same answer.

    Returns:
      The claimed tasks, and a reason for each of the others.
    """
    held = statements.of_this_database().claim(attempts, claim_id=claim_id, worker_id=worker_id)
    if len(held) == len(attempts):
        return held, []
    # A repeated call: the first one claimed these already.
    held = _claimed_with(claim_id, [task_id for task_id, _ in attempts])
    taken = {row.task_id for row in held}
    others = [(task_id, attempt) for task_id, attempt in attempts if task_id not in taken]
    return held, _refusals(others) if others else []


def claim_suspect(task_id: str, attempt: int, *, claim_id: uuid.UUID, worker_id: uuid.UUID) -> Held | None:
    """Claim one suspect task. Its start is written at once, so that the next crash counts for this task."""
    now = ClockTimestamp()
    TaskStatus.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        Q(line=None) | Q(delayed=False),
        may(states.CLAIM),
        task_id=task_id,
        attempt=attempt,
        run_at__lte=now,
        cancel_requested_at=None,
        in_line=False,
    ).update(
        status=states.CLAIM.target,
        claim_id=claim_id,
        worker_id=worker_id,
        claimed_at=now,
        started_at=now,
        updated_at=now,
        # The reason why no worker could take it.
        error_message=Case(
            When(unknown_since=None, then=F("error_message")), default=Value("", output_field=TextField())
        ),
    )
    return next(iter(_claimed_with(claim_id, [task_id])), None)


class Crashes(NamedTuple):
    """Deaths of the workers that held a task.

    Parameters:
      number: Crashes that count.
      longest_seconds: Longest run that ended with the death of its worker, as far as its start is known.
    """

    number: int
    longest_seconds: float


def crashes_of(task_ids: Sequence[str]) -> dict[str, Crashes]:
    """Return the crashes of suspects, by task id."""
    run = ExpressionWrapper(F("attempts__ended_at") - F("attempts__started_at"), output_field=DurationField())
    rows = TaskStatus.objects.filter(task_id__in=task_ids).annotate(
        longest=Max(run, filter=Q(attempts__outcome=states.RESCUE.name))
    )
    return {
        task_id: Crashes(number=crashes, longest_seconds=longest.total_seconds() if longest else 0.0)
        for task_id, crashes, longest in rows.values_list("task_id", "crashes", "longest")
    }


def _claimed_with(claim_id: uuid.UUID, task_ids: Sequence[str]) -> list[Held]:
    rows = TaskStatus.objects.filter(task_id__in=task_ids, claim_id=claim_id, status=states.PROCESSING)
    texts = [Cast(name, TextField()) for name in ("args", "kwargs", "options")]
    columns: Any = ("task_id", "pk", "owner_id", "task_name", "queue_name", *texts, "retries")
    columns += ("created_at", "line", "traceback")
    found: Any = [(*row[:-3], row[-3].timestamp() * 1000, *row[-2:]) for row in rows.values_list(*columns)]
    return [Held(*row) for row in found]


def _refusals(attempts: Sequence[tuple[str, int]]) -> list[Refusal]:
    """Return why each task was not claimed. Expired and cancelled ones are settled on the way."""
    task_ids = [task_id for task_id, _ in attempts]
    with transaction.atomic():
        rows = by_keys(lock_free(TaskStatus.objects.filter(task_id__in=task_ids, status=states.PENDING)))
        expire(rows.filter(may(states.EXPIRE), expires_at__lte=ClockTimestamp()))
        _cancel_requested(rows)
        # Fetched before its time: the relay publishes it at its time.
        rows.filter(status=states.PENDING, delayed=False, run_at__gt=ClockTimestamp()).update(
            delayed=True, in_line=False
        )
    known = TaskStatus.objects.filter(task_id__in=task_ids).only(
        "task_id", "attempt", "status", "crashes", "delayed", "in_line"
    )
    by_task_id = {row.task_id: row for row in known}
    return [_refusal(task_id, attempt, by_task_id.get(task_id)) for task_id, attempt in attempts]


def _refusal(task_id: str, attempt: int, row: TaskStatus | None) -> Refusal:
    if row is None:
        return Refusal(task_id=task_id, missing=True)
    waits = attempt == row.attempt and row.status == states.PENDING and not row.in_line
    is_ahead = attempt > row.attempt and row.status not in states.TERMINAL
    return Refusal(
        task_id=task_id,
        # Claimable and not claimed: another transaction has locked the row.
        early=is_ahead or (waits and row.crashes == 0 and not row.delayed),
        suspect=waits and row.crashes > 0,
    )


def _cancel_requested(rows: Any) -> None:
    """Cancel rows whose cancellation was requested while a worker held them, and that are pending again."""
    now = ClockTimestamp()
    wanted = rows.filter(may(states.CANCEL), cancel_requested_at__isnull=False)
    tell_ended(wanted, states.CANCEL)
    wanted.update(status=states.CANCEL.target, finished_at=now, updated_at=now)


# --- Report and finish ---------------------------------------------------------------------------


def report(reports: Sequence[Report]) -> set[str]:
    """Write the progress of held attempts. Return the task ids whose rows another transaction has locked."""
    free = statements.of_this_database().report(reports)
    return {news.claim.task_id for news in reports if news.claim.row_id not in free}


def finish(outcomes: Sequence[Outcome]) -> list[Settled]:
    """End attempts, in one commit with the messages that belong to their outcomes.

    Returns:
      One value for each outcome, in order. An outcome that did not take came from a stale attempt. Its messages are
      not recorded.
    """
    plain = [outcome for outcome in outcomes if _is_plain(outcome)]
    if len(plain) == len(outcomes):
        return _complete(plain)
    # In the actor's own transaction there is no later.
    finish_one = _finish if connection.in_atomic_block else _finish_or_defer
    with transaction.atomic():
        settled = dict(zip(map(id, plain), _complete(plain), strict=True))
        others = [outcome for outcome in outcomes if id(outcome) not in settled]
        busy = _lock_for_finish([outcome.claim.task_id for outcome in others])
        for outcome in others:
            is_busy = outcome.claim.task_id in busy
            settled[id(outcome)] = DEFERRED if is_busy else finish_one(outcome)
    return [settled[id(outcome)] for outcome in outcomes]


def wait_for(claim: Claim) -> None:
    """Lock a claimed row in the open transaction, however long another transaction has it locked."""
    TaskStatus.objects.select_for_update(no_key=True).filter(pk=claim.row_id).first()


def snoozes_of(claim: Claim) -> int:
    """Return how often a claimed task was snoozed. 0 if the claim does not hold any more."""
    return _held(claim).values_list("snoozes", flat=True).first() or 0


def _is_plain(outcome: Outcome) -> bool:
    """Return whether only the row itself is written. Nearly every task is plain, and one statement serves them all."""
    return outcome.move is states.COMPLETE and not outcome.sends and not outcome.error_message


def _complete(outcomes: Sequence[Outcome]) -> list[Settled]:
    if not outcomes:
        return []
    taken = statements.of_this_database().complete(outcomes)
    if len(taken) == len(outcomes):
        return [TAKEN] * len(outcomes)
    return [
        # Still claimed as the outcome says and not taken: another transaction has locked the row.
        TAKEN if outcome.claim.key in taken else Settled(took=False, deferred=_held(outcome.claim).exists())
        for outcome in outcomes
    ]


def _lock_for_finish(task_ids: list[str]) -> set[str]:
    """Lock the rows in key order. Return the task ids that another transaction has locked: they wait for later."""
    if not connection.features.has_select_for_update_skip_locked:
        return set()
    rows = TaskStatus.objects.filter(task_id__in=task_ids)
    free = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk").values_list("task_id", flat=True)
    missing = set(task_ids) - set(free)
    return set(rows.filter(task_id__in=missing).values_list("task_id", flat=True)) if missing else set()


def _finish_or_defer(outcome: Outcome) -> Settled:
    """Finish an outcome, unless another transaction has locked the key of a unique follow-up."""
    if not any(send.unique for send in outcome.sends):
        return _finish(outcome)
    try:
        with patience():
            return _finish(outcome)
    except LockedError:
        return DEFERRED


def _finish(outcome: Outcome) -> Settled:
    move, claim = outcome.move, outcome.claim
    now = ClockTimestamp()
    values: dict[str, Any] = {"status": move.target, "updated_at": now, "unknown_since": None, **_error(outcome)}
    if move is states.RELEASE:
        values = pending_again()
    elif move is states.SNOOZE:
        # The error of an earlier attempt stays. An error of this one is that of a broken hook.
        values = (_error(outcome) if outcome.error_message else {}) | pending_again()
        snoozes = Least(F("snoozes") + 1, MOST_SNOOZES)
        values |= {"run_at": ClockTimestamp(offset_ms=outcome.delay_ms), "snoozes": snoozes}
    elif move is states.RETRY:
        values |= UNCLAIMED | {
            "attempt": F("attempt") + 1,
            "run_at": ClockTimestamp(offset_ms=outcome.delay_ms),
            # The relay publishes it at its time. One that is due at once is published by the caller, or gets in line.
            "delayed": outcome.delay_ms > 0,
            "in_line": HAS_LINE if outcome.delay_ms <= 0 else False,
            "progress": 0,
            "progress_text": "",
            "retries": F("retries") + 1,
        }
    else:
        values |= {
            "finished_at": now,
            "result": outcome.result,
            "progress": 100 if move is states.COMPLETE else outcome.percent,
            "progress_text": outcome.text,
        }
        if outcome.ran_ms is not None:
            # Once it is written it stays: rates count it.
            values["started_at"] = Coalesce("started_at", ClockTimestamp(offset_ms=-outcome.ran_ms))
    if outcome.options is not None:
        values["options"] = outcome.options
    starts: list[Any] = []
    if outcome.line is not None and move.target == states.PENDING and outcome.ran_ms is not None:
        started_at = ClockTimestamp(offset_ms=-outcome.ran_ms)
        starts = [(*row, started_at) for row in _held(claim).values_list("task_name", "line", "weight")]
    held = _held(claim)
    if is_later := move in (states.RETRY, states.SNOOZE):
        held = held.filter(cancel_requested_at=None)
    if not held.update(**values):
        if is_later and _held(claim).exists():
            # Its cancellation was requested while it ran, so it does not wait for another start.
            return _finish(outcome._replace(move=states.CANCEL_CLAIMED))._replace(instead=states.CANCEL_CLAIMED)
        return Settled(took=False)
    if starts:
        add_starts(starts)
    if outcome.error_message and move is not states.COMPLETE:
        _keep_attempt(outcome)
    sends = outcome.sends
    if sends and (known := record(sends)):
        sends = tuple(send for position, send in enumerate(sends) if position not in known)
    return Settled(took=True, sends=sends)


def _error(outcome: Outcome) -> dict[str, str]:
    """Return the columns that tell the error of an outcome. They are empty for one without an error."""
    message = outcome.error_message
    return {
        "error_message": message,
        "error_type": outcome.error_type,
        "cause": cause_of(outcome.task_name, outcome.error_type, message) if message else "",
        "traceback": outcome.traceback,
    }


def _keep_attempt(outcome: Outcome) -> None:
    """Keep the error of an attempt that did not complete. The row shows the last error only."""
    claim = outcome.claim
    TaskAttempt.objects.bulk_create(
        [
            TaskAttempt(
                task_id=claim.row_id,
                attempt=claim.attempt,
                outcome=outcome.move.name,
                **_error(outcome),
                worker_id=claim.worker_id,
                started_at=None if outcome.ran_ms is None else ClockTimestamp(offset_ms=-outcome.ran_ms),
                ended_at=ClockTimestamp(),
            )
        ],
        ignore_conflicts=True,
    )


def _held(claim: Claim) -> Any:
    """Return a queryset of the claim's row. It is empty once the claim does not hold."""
    return TaskStatus.objects.filter(
        task_id=claim.task_id, status=states.PROCESSING, attempt=claim.attempt, claim_id=claim.claim_id
    )
