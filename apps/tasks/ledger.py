"""The ledger: the only code that writes what is true of a task.

Every transition is one guarded UPDATE that says whether it took. The guard names the states that the move
may start from and, where somebody holds the task, the attempt and the claim: who comes late changes nothing.
"""

import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q

from apps.tasks import statements, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import TaskAttempt, TaskGroup, TaskStatus
from apps.tasks.outcome import Claim, Held, Outcome, Report, Send, Settled

logger = logging.getLogger(__name__)

TAKEN = Settled(took=True)

#: How many rows are expired in one transaction, or called off or sent again from the admin.
PAGE = 1_000

#: A row that nobody holds.
UNHELD: dict[str, Any] = {"claim_id": None, "worker_id": None, "claimed_at": None, "started_at": None}


def may(move: states.Move) -> Q:
    """The rows that a move may start from.

    A lone state is compared and not looked for in a list: only so SQLite finds an index over rows of that state.
    """
    return Q(status=move.sources[0]) if len(move.sources) == 1 else Q(status__in=move.sources)


# --- Sending -------------------------------------------------------------------------------------


def record(sends: Iterable[Send], *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Insert a pending row for each send, in the caller's transaction.

    A task id that is known already is left as it is: a task that ran twice sends what follows it once.

    Parameters:
      meanwhile: Work that needs no answer from the database; called once, if there is a send, while the database writes
        where it can be.
    """
    pending = list(sends)
    if pending:
        statements.of_this_database().insert(pending, meanwhile=meanwhile)


# --- Working -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a message was not claimed, as far as its row tells.

    Parameters:
      missing: There is no row.
      early: It can be claimed later: its publisher's commit is not visible yet, or somebody has its row locked.
      suspect: Its worker died once while it was held: it may be claimed, but alone.
    """

    task_id: str
    missing: bool = False
    early: bool = False
    suspect: bool = False


def claim(
    attempts: Sequence[tuple[str, int]], *, claim_id: uuid.UUID, worker_id: uuid.UUID
) -> tuple[list[Held], list[Refusal]]:
    """Take hold of a fetched batch before any of it runs.

    Parameters:
      attempts: Pairs of task id and attempt, as the messages have them.
      claim_id: The batch. Called again with the same one (its reply may have been lost), the answer is the same.

    Returns:
      The tasks that are held now, and of the others why not.
    """
    held = statements.of_this_database().claim(attempts, claim_id=claim_id, worker_id=worker_id)
    if len(held) == len(attempts):
        return held, []
    # Asked before, and the reply was lost? Then these are held already.
    held = _held_by(claim_id, [task_id for task_id, _ in attempts])
    taken = {row.task_id for row in held}
    others = [(task_id, attempt) for task_id, attempt in attempts if task_id not in taken]
    return held, _refusals(others) if others else []


def claim_suspect(task_id: str, attempt: int, *, claim_id: uuid.UUID, worker_id: uuid.UUID) -> Held | None:
    """Take hold of one task whose worker died before. Its start is written at once: the next crash is its own."""
    _claimable([task_id], attempt).update(**_taken(claim_id, worker_id), started_at=ClockTimestamp())
    return next(iter(_held_by(claim_id, [task_id])), None)


def _claimable(task_ids: Sequence[str], attempt: int) -> Any:
    now = ClockTimestamp()
    return TaskStatus.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        may(states.CLAIM),
        task_id__in=task_ids,
        attempt=attempt,
        run_at__lte=now,
        cancel_requested_at=None,
    )


def _taken(claim_id: uuid.UUID, worker_id: uuid.UUID) -> dict[str, Any]:
    now = ClockTimestamp()
    return {
        "status": states.CLAIM.target,
        "claim_id": claim_id,
        "worker_id": worker_id,
        "claimed_at": now,
        "updated_at": now,
    }


def _held_by(claim_id: uuid.UUID, task_ids: Sequence[str]) -> list[Held]:
    rows = TaskStatus.objects.filter(task_id__in=task_ids, claim_id=claim_id, status=states.PROCESSING)
    return [
        Held(task_id=task_id, row_id=row_id, owner_id=owner_id)
        for task_id, row_id, owner_id in rows.values_list("task_id", "pk", "owner_id")
    ]


def _refusals(attempts: Sequence[tuple[str, int]]) -> list[Refusal]:
    """Say why each of these was not claimed, and settle what is only waiting for somebody to say so."""
    task_ids = [task_id for task_id, _ in attempts]
    with transaction.atomic():
        settled = _by_keys(_unlocked(TaskStatus.objects.filter(task_id__in=task_ids, status=states.PENDING)))
        settled.filter(may(states.EXPIRE), expires_at__lte=ClockTimestamp()).update(**_expired())
        _call_off(settled)
        # Fetched before its time: the relay will send it again at its time.
        settled.filter(status=states.PENDING, delayed=False, run_at__gt=ClockTimestamp()).update(delayed=True)
    known = TaskStatus.objects.filter(task_id__in=task_ids).only("task_id", "attempt", "status", "crashes", "delayed")
    rows = {row.task_id: row for row in known}
    return [_refusal(task_id, attempt, rows.get(task_id)) for task_id, attempt in attempts]


def _refusal(task_id: str, attempt: int, row: TaskStatus | None) -> Refusal:
    if row is None:
        return Refusal(task_id=task_id, missing=True)
    waits = attempt == row.attempt and row.status == states.PENDING
    return Refusal(
        task_id=task_id,
        # Still to be had, and yet not held: somebody has the row locked.
        early=attempt > row.attempt or (waits and row.crashes == 0 and not row.delayed),
        suspect=waits and row.crashes > 0,
    )


def _call_off(rows: Any) -> None:
    """Cancel those of the rows that were called off while a worker held them, and that came back since."""
    now = ClockTimestamp()
    rows.filter(may(states.CANCEL), cancel_requested_at__isnull=False).update(
        status=states.CANCEL.target, finished_at=now, updated_at=now
    )


def expire_waiting() -> int:
    """Fail every pending task whose `expires_at` has passed, whether anybody fetches it or not. Returns how many."""
    expired: int = 0
    while True:
        rows = TaskStatus.objects.filter(may(states.EXPIRE), expires_at__lte=ClockTimestamp())
        with transaction.atomic():
            page = _unlocked(rows, limit=PAGE)
            expired += _by_keys(page).update(**_expired())
        if len(page) < PAGE:
            return expired


def _expired() -> dict[str, Any]:
    now = ClockTimestamp()
    return {
        "status": states.EXPIRE.target,
        "error_message": "It was not started before it expired.",
        "finished_at": now,
        "updated_at": now,
    }


def report(reports: Sequence[Report]) -> set[str]:
    """Write how far held attempts are. Returns the task ids whose rows somebody else has locked."""
    free = statements.of_this_database().report(reports)
    return {news.claim.task_id for news in reports if news.claim.row_id not in free}


def finish(outcomes: Sequence[Outcome]) -> list[Settled]:
    """End attempts, in one commit together with the messages that belong to their outcomes.

    Returns:
      What became of each outcome. One that did not take came from an attempt that is no longer the row's: its
      messages are not recorded.
    """
    plain = [outcome for outcome in outcomes if _is_plain(outcome)]
    if len(plain) == len(outcomes):
        return _complete(plain)
    with transaction.atomic():
        settled = dict(zip(map(id, plain), _complete(plain), strict=True))
        others = [outcome for outcome in outcomes if id(outcome) not in settled]
        busy = _locked_by_others([outcome.claim.task_id for outcome in others])
        for outcome in others:
            is_busy = outcome.claim.task_id in busy
            settled[id(outcome)] = Settled(took=False, deferred=True) if is_busy else _finish(outcome)
    return [settled[id(outcome)] for outcome in outcomes]


def wait_for(claim: Claim) -> None:
    """Lock a held row, in the open transaction, however long somebody else has it locked."""
    TaskStatus.objects.select_for_update(no_key=True).filter(pk=claim.row_id).first()


def _is_plain(outcome: Outcome) -> bool:
    """Whether nothing but the row itself is to be written: nearly every task, and all such are one statement."""
    return outcome.move is states.COMPLETE and not outcome.sends and not outcome.group


def _complete(outcomes: Sequence[Outcome]) -> list[Settled]:
    if not outcomes:
        return []
    taken = statements.of_this_database().complete(outcomes)
    if len(taken) == len(outcomes):
        return [TAKEN] * len(outcomes)
    return [
        # Still held as the outcome says, and yet not taken: locked by somebody else.
        TAKEN if _key(outcome.claim) in taken else Settled(took=False, deferred=_held(outcome.claim).exists())
        for outcome in outcomes
    ]


def _key(claim: Claim) -> tuple[int, int, uuid.UUID]:
    """What tells one attempt of a row, and its holder, from another: a process may have had both."""
    return claim.row_id, claim.attempt, claim.claim_id


def _locked_by_others(task_ids: list[str]) -> set[str]:
    """Lock the rows, in key order, but for those that an open transaction has locked: it must not hold up the rest."""
    if not connection.features.has_select_for_update_skip_locked:
        return set()
    rows = TaskStatus.objects.filter(task_id__in=task_ids)
    free = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk").values_list("task_id", flat=True)
    missing = set(task_ids) - set(free)
    return set(rows.filter(task_id__in=missing).values_list("task_id", flat=True)) if missing else set()


def _finish(outcome: Outcome) -> Settled:
    move, claim = outcome.move, outcome.claim
    now = ClockTimestamp()
    values: dict[str, Any] = {"status": move.target, "updated_at": now, "error_message": outcome.error_message}
    if move is states.HAND_BACK:
        values = _returned()
    elif move is states.RETRY:
        values |= UNHELD | {
            "attempt": F("attempt") + 1,
            "run_at": ClockTimestamp(offset_ms=outcome.delay_ms),
            # The relay sends it.
            "delayed": True,
            "progress": 0,
            "progress_text": "",
            "traceback": outcome.traceback,
            "retries": F("retries") + 1,
        }
    else:
        values |= {
            "finished_at": now,
            "result": outcome.result,
            "traceback": outcome.traceback,
            "progress": 100 if move is states.COMPLETE else outcome.percent,
            "progress_text": outcome.text,
        }
        if outcome.ran_ms is not None:
            values["started_at"] = ClockTimestamp(offset_ms=-outcome.ran_ms)
    if not _held(claim).update(**values):
        return Settled(took=False)
    if outcome.error_message:
        _keep_attempt(outcome)
    sends = outcome.sends
    if outcome.group and move is states.COMPLETE and _is_last_of(outcome.group):
        sends += outcome.group_sends
    if sends:
        record(sends)
    return Settled(took=True, sends=sends)


def open_group(key: str, *, size: int) -> bool:
    """Begin to count a group's tasks, in the caller's transaction. Returns whether it is new."""
    return TaskGroup.objects.get_or_create(key=key, defaults={"remaining": size})[1]


def _is_last_of(group: str) -> bool:
    """Count one task of a group as completed, in the commit that completes it."""
    rows = TaskGroup.objects.filter(key=group)
    rows.update(remaining=F("remaining") - 1)
    return bool(rows.filter(remaining=0).delete()[0])


def _keep_attempt(outcome: Outcome) -> None:
    """Keep the error of an attempt that did not complete; the row itself shows the last one only."""
    claim = outcome.claim
    row_id = TaskStatus.objects.values_list("id", flat=True).get(task_id=claim.task_id)
    TaskAttempt.objects.bulk_create(
        [
            TaskAttempt(
                task_id=row_id,
                attempt=claim.attempt,
                outcome=outcome.move.name,
                error_message=outcome.error_message,
                traceback=outcome.traceback,
                worker_id=claim.worker_id,
                started_at=None if outcome.ran_ms is None else ClockTimestamp(offset_ms=-outcome.ran_ms),
                ended_at=ClockTimestamp(),
            )
        ],
        ignore_conflicts=True,
    )


def _held(claim: Claim) -> Any:
    """The row of a claim, as long as the claim holds."""
    return TaskStatus.objects.filter(
        task_id=claim.task_id, status=states.PROCESSING, attempt=claim.attempt, claim_id=claim.claim_id
    )


# --- Coming back ---------------------------------------------------------------------------------


def held_by(worker_id: uuid.UUID) -> dict[tuple[str, int], bool]:
    """What the rows say a worker process holds, as pairs of task id and attempt, and whether it is to be called off."""
    rows = TaskStatus.objects.filter(worker_id=worker_id, status=states.PROCESSING).order_by()
    return {
        (task_id, attempt): requested is not None
        for task_id, attempt, requested in rows.values_list("task_id", "attempt", "cancel_requested_at")
    }


def hand_back_one(task_id: str, attempt: int, *, worker_id: uuid.UUID) -> bool:
    """Make one such task pending: its process knows nothing of it. Returns whether it took."""
    rows = TaskStatus.objects.filter(may(states.HAND_BACK), task_id=task_id, attempt=attempt, worker_id=worker_id)
    with transaction.atomic():
        return bool(_by_keys(_unlocked(rows)).update(**_returned()))


def hand_back_unstarted(claims: Sequence[Claim]) -> set[str]:
    """Make pending again what was claimed and has not started. The caller publishes it, for the next attempt.

    It has been due all the time: `run_at` stays, and with it how long it is said to have waited.

    Returns:
      The task ids that took. Left are those whose claim does not hold, and rows that somebody else has locked.
    """
    wanted = {_key(claim) for claim in claims}
    rows = TaskStatus.objects.filter(may(states.HAND_BACK), pk__in=[claim.row_id for claim in claims]).order_by("pk")
    with transaction.atomic():
        free = rows.select_for_update(skip_locked=True, no_key=True)
        taken = {
            pk: task_id
            for pk, attempt, claim_id, task_id in free.values_list("pk", "attempt", "claim_id", "task_id")
            if (pk, attempt, claim_id) in wanted
        }
        TaskStatus.objects.filter(pk__in=taken).update(**_returned() | {"delayed": False, "run_at": F("run_at")})
    return set(taken.values())


def hand_back(worker_id: uuid.UUID) -> int:
    """Make pending what a worker process still holds, without counting a retry. Returns how many.

    A row that somebody else has locked is left to the relay: a process that stops has no time to wait for it.
    """
    rows = TaskStatus.objects.filter(may(states.HAND_BACK), worker_id=worker_id)
    with transaction.atomic():
        returned: int = _by_keys(_unlocked(rows)).update(**_returned())
    return returned


def _unlocked(rows: Any, *, limit: int | None = None) -> list[TaskStatus]:
    """The rows, locked, but for those that an open transaction has locked: whoever does this does it again."""
    return list(rows.select_for_update(skip_locked=True, no_key=True).order_by("pk").only("pk")[:limit])


def rescue(worker_id: uuid.UUID, *, max_crashes: int) -> tuple[int, int]:
    """Take a dead worker's tasks from it.

    The first crash counts for all that it held, since which of them was running is known a moment late. From
    then on a task is claimed alone and its start is written before it runs, and a crash counts only if it had
    started: so a task that kills its process is told from its innocent neighbours.

    Returns:
      How many are pending again, and how many failed because their worker died `max_crashes` times.
    """
    with transaction.atomic():
        # What somebody else has locked comes with a later pass; the relay must not wait for it.
        rows = list(
            TaskStatus.objects.filter(may(states.RESCUE), worker_id=worker_id)
            .select_for_update(skip_locked=True, no_key=True)
            .order_by("pk")
        )
        poisoned = [row for row in rows if row.started_at and row.crashes >= max_crashes - 1]
        suspected = [row for row in rows if row not in poisoned and (row.crashes == 0 or row.started_at)]
        innocent = [row for row in rows if row not in poisoned and row not in suspected]
        _keep_deaths(poisoned, states.POISON)
        _keep_deaths(suspected, states.RESCUE)
        now = ClockTimestamp()
        _by_keys(poisoned).update(
            status=states.POISON.target,
            crashes=F("crashes") + 1,
            error_message=f"Its worker process died {max_crashes} times while it ran, so it is not run again.",
            finished_at=now,
            updated_at=now,
        )
        _by_keys(suspected).update(crashes=F("crashes") + 1, **_returned())
        _by_keys(innocent).update(**_returned())
    return len(suspected) + len(innocent), len(poisoned)


def _by_keys(rows: Iterable[TaskStatus]) -> Any:
    return TaskStatus.objects.filter(pk__in=[row.pk for row in rows])


def _keep_deaths(rows: Iterable[TaskStatus], move: states.Move) -> None:
    TaskAttempt.objects.bulk_create(
        [
            TaskAttempt(
                task=row,
                attempt=row.attempt,
                outcome=move.name,
                error_message="Its worker process died.",
                worker_id=row.worker_id,
                started_at=row.started_at,
                ended_at=ClockTimestamp(),
            )
            for row in rows
        ],
        ignore_conflicts=True,
    )


def _returned() -> dict[str, Any]:
    """What changes when a held task becomes pending again, to be run at once."""
    now = ClockTimestamp()
    return UNHELD | {
        "status": states.PENDING,
        "attempt": F("attempt") + 1,
        # The relay sends it, unless its holder can: a holder may be gone before it could.
        "delayed": True,
        "run_at": now,
        "progress": 0,
        "progress_text": "",
        "updated_at": now,
    }


# --- The relay -----------------------------------------------------------------------------------


class Waiting(NamedTuple):
    """What the audit must know of a row that should be in Redis."""

    pk: int
    task_id: str
    attempt: int
    queue_name: str


def take_due(*, limit: int) -> list[TaskStatus]:
    """The delayed rows whose time has come, each for one relay alone; they no longer count as delayed.

    To be published once this has committed. A relay that dies in between leaves rows that are due and not
    in Redis: the audit finds those.
    """
    with transaction.atomic():
        rows = list(
            TaskStatus.objects.due()
            .filter(delayed=True)
            .order_by("run_at", "id")
            .select_for_update(skip_locked=True)[:limit]
        )
        if rows:
            TaskStatus.objects.filter(pk__in=[row.pk for row in rows], status=states.PENDING).update(delayed=False)
    return rows


def due_after(pk: int, *, limit: int) -> list[Waiting]:
    """A page, in key order, of the due rows that should be in Redis."""
    rows = TaskStatus.objects.due().filter(delayed=False, pk__gt=pk).order_by("pk")[:limit]
    return [Waiting(*row) for row in rows.values_list("pk", "task_id", "attempt", "queue_name")]


def still_due(waiting: Iterable[Waiting]) -> list[TaskStatus]:
    """Those of the rows that are due for the same attempt, read anew and whole."""
    attempts = {row.pk: row.attempt for row in waiting}
    rows = TaskStatus.objects.due().filter(pk__in=attempts, delayed=False).order_by("pk")
    return [row for row in rows if row.attempt == attempts[row.pk]]


# --- Steering ------------------------------------------------------------------------------------


def cancel(task_id: str) -> bool:
    """Call off a task. One that a worker holds and has not started is called off a moment later.

    Returns:
      Whether it was called off now. False: it is held, and may have started, or it has ended.
    """
    rows = TaskStatus.objects.filter(task_id=task_id)
    taken = rows.filter(may(states.CANCEL)).update(**_cancelled())
    if not taken:
        rows.filter(may(states.ABORT), cancel_requested_at=None).update(cancel_requested_at=ClockTimestamp())
    return bool(taken)


def cancel_many(row_ids: Collection[int]) -> tuple[set[int], set[int]]:
    """Call off many tasks, each as `cancel` does, in one transaction and without waiting for locked rows.

    Returns:
      The row ids that were called off now, and those that a worker holds and that were asked now. In neither: what has
      ended, what was asked before, and rows that somebody else has locked.
    """
    rows = TaskStatus.objects.filter(pk__in=row_ids)
    with transaction.atomic():
        waiting = _unlocked(rows.filter(may(states.CANCEL)))
        _by_keys(waiting).update(**_cancelled())
        held = _unlocked(rows.filter(may(states.ABORT), cancel_requested_at=None))
        _by_keys(held).update(cancel_requested_at=ClockTimestamp())
    return {row.pk for row in waiting}, {row.pk for row in held}


def _cancelled() -> dict[str, Any]:
    now = ClockTimestamp()
    return {"status": states.CANCEL.target, "cancel_requested_at": now, "finished_at": now, "updated_at": now}


def send_again(task_id: str) -> bool:
    """Let a failed or cancelled task run once more, as if it were new. Returns whether it took."""
    return bool(TaskStatus.objects.filter(may(states.REVIVE), task_id=task_id).update(**_revived()))


def send_many_again(row_ids: Collection[int]) -> set[int]:
    """Let many tasks run once more, each as `send_again` does, in one transaction and without waiting for locked rows.

    Returns:
      The row ids that took.
    """
    with transaction.atomic():
        ended = _unlocked(TaskStatus.objects.filter(may(states.REVIVE), pk__in=row_ids))
        _by_keys(ended).update(**_revived())
    return {row.pk for row in ended}


def _revived() -> dict[str, Any]:
    return _returned() | {
        "retries": 0,
        "crashes": 0,
        "created_at": ClockTimestamp(),
        "expires_at": None,
        "cancel_requested_at": None,
        "finished_at": None,
        "result": None,
        "error_message": "",
        "traceback": "",
    }


def dead_letter(send: Send, *, reason: str) -> bool:
    """Keep a message that no row of ours sent, as a failed task that a person sees. Returns whether it is new."""
    now = ClockTimestamp()
    known = TaskStatus.objects.filter(task_id=send.task_id).exists()
    TaskStatus.objects.bulk_create(
        [
            TaskStatus(
                task_id=send.task_id,
                task_name=send.task_name,
                queue_name=send.queue_name,
                args=list(send.args),
                kwargs=send.kwargs,
                options=send.options,
                status=states.FAILED,
                error_message=reason,
                run_at=now,
                finished_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    return not known


def postpone(task_ids: Iterable[str], *, delay_ms: int) -> int:
    """Let pending tasks wait some more; the relay sends them then. Returns how many."""
    return TaskStatus.objects.filter(task_id__in=task_ids, status=states.PENDING).update(
        run_at=ClockTimestamp(offset_ms=delay_ms), delayed=True, updated_at=ClockTimestamp()
    )


def reject(task_ids: Iterable[str], *, older_than_ms: int, reason: str) -> int:
    """Fail pending tasks that no worker can run and that were sent longer ago than that. Returns how many."""
    now = ClockTimestamp()
    return TaskStatus.objects.filter(
        may(states.REJECT),
        task_id__in=task_ids,
        created_at__lt=ClockTimestamp(offset_ms=-older_than_ms),
    ).update(status=states.REJECT.target, error_message=reason, finished_at=now, updated_at=now)
