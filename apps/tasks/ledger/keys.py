"""Keys of unique sends: which sends become tasks, and for which another task stands.

The row of a key is locked until the sender commits, so of two senders the second waits for the first. Each look at a
task is a statement of its own after the lock: PostgreSQL shows a statement what was committed before it began.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.json_safe import from_compact
from apps.tasks.ledger.rows import PAGE, may
from apps.tasks.models import TaskKey, TaskStatus
from apps.tasks.statements.keys import lock
from apps.tasks.values import KEY_OPTION, Send, Unique

#: Keys that are locked by one statement.
KEYS = 500
#: Milliseconds after which a due task is not kept from workers until the end of its sender's transaction.
OVERDUE_MS = 1_000
#: State of tasks that wait, written so that no planner walks the index over all of them instead of finding the few.
WAITING = (states.PENDING, "")
#: Columns of a task that say whether it stands for a send.
LOOKED_AT = (
    "task_id", "status", "created_at", "run_at", "started_at", "expires_at", "cancel_requested_at", "delayed",
    "retries", "crashes", "snoozes", "options", "owner_id",
)  # fmt: skip


class Decided(NamedTuple):
    """Answers to the sends of one call.

    Parameters:
      new: Sends to insert, by position.
      known: Ids of the tasks that the other sends are, by position.
      firsts: Position of the first new send of each key.
      later: By key, the last send that replaces the arguments of its waiting task.
    """

    new: dict[int, Send]
    known: dict[int, str]
    firsts: dict[str, int]
    later: dict[str, Send]


def settle(sends: Sequence[Send], *, at_once: bool) -> tuple[list[Send], dict[int, str]]:
    """Lock the keys of the sends in the open transaction, and find the tasks that stand for them.

    Parameters:
      at_once: The transaction is committed right after, so the data of the senders are committed by now.

    Returns:
      The sends to insert, and for each other send, by its position, the id of the task that it is.
    """
    uniques = [(send.unique, send) for send in sends if send.unique is not None]
    ids: dict[str, str] = {}
    for unique, send in uniques:
        ids.setdefault(unique.key, send.task_id)
    holders: dict[str, str] = {}
    for keys in _pages(sorted(ids)):
        holders |= lock({key: ids[key] for key in keys})
    rows = _read({*holders.values(), *(send.task_id for _, send in uniques)})
    held = {
        holders[unique.key]
        for unique, _ in uniques
        if unique.debounce_ms is not None or (unique.while_pending and not at_once)
    }
    _lock_waiting(rows, held, at_once=at_once)
    decided = _decide(sends, rows, holders, at_once=at_once)
    for key, position in decided.firsts.items():
        send = decided.new[position]
        assert send.unique is not None
        if holders[key] != send.task_id or send.unique.throttle_ms is not None:
            throttle_ms = send.unique.throttle_ms
            until = None if throttle_ms is None else ClockTimestamp(offset_ms=throttle_ms)
            TaskKey.objects.filter(key=key).update(task_id=send.task_id, until=until)
    for key, send in decided.later.items():
        _replace(rows[holders[key]], send)
    others = {key: rows.get(task_id) for key, task_id in holders.items() if key not in decided.firsts}
    # Made above for sends that are known tasks.
    if strays := [key for key, row in others.items() if row is None or not _is_of(row, key)]:
        TaskKey.objects.filter(key__in=strays).delete()
    return list(decided.new.values()), decided.known


def not_new(sends: Sequence[Send], *, at_once: bool) -> set[int]:
    """Return the positions of the sends that would become no row, as the rows are now. Nothing is locked.

    Parameters:
      at_once: As in `settle`.
    """
    keys = sorted({send.unique.key for send in sends if send.unique is not None})
    holders: dict[str, str] = {}
    for page in _pages(keys):
        holders |= TaskKey.objects.filter(key__in=page).values_list("key", "task_id")
    rows = _read({*holders.values(), *(send.task_id for send in sends)})
    return set(_decide(sends, rows, holders, at_once=at_once).known)


def give_up(sends: Iterable[Send]) -> None:
    """Free the keys of sends that were not inserted, since another transaction has just used their task ids."""
    for send in sends:
        if send.unique is not None:
            TaskKey.objects.filter(key=send.unique.key, task_id=send.task_id).delete()


def take_back(rows: Iterable[TaskStatus]) -> dict[int, str]:
    """Give ended tasks that are retried their keys again. Their rows are locked in the open transaction.

    Returns:
      For each row whose key an unfinished task has by now, by row id, the id of that task.
    """
    keyed = sorted((row.options[KEY_OPTION], row.pk, row.task_id) for row in rows if _has_key(row.options))
    taken: dict[int, str] = {}
    for page in _pages(keyed):
        holders = lock({key: task_id for key, _, task_id in page})
        known = TaskStatus.objects.unfinished().filter(task_id__in=holders.values())
        unfinished = set(known.values_list("task_id", flat=True))
        for key, pk, task_id in page:
            if holders[key] in unfinished:
                taken[pk] = holders[key]
                continue
            if holders[key] != task_id:
                TaskKey.objects.filter(key=key).update(task_id=task_id)
            # Of several tasks with one key, one is retried.
            holders[key] = task_id
            unfinished.add(task_id)
    return taken


def rivals(row_ids: Collection[int]) -> set[int]:
    """Return the row ids of ended tasks whose key an unfinished task has by now. Nothing is locked."""
    ended = TaskStatus.objects.filter(may(states.RETRY_BY_HAND), pk__in=row_ids).only("options")
    keys = {row.pk: row.options[KEY_OPTION] for row in ended if _has_key(row.options)}
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    taken = set(TaskKey.objects.filter(Exists(unfinished), key__in=keys.values()).values_list("key", flat=True))
    return {pk for pk, key in keys.items() if key in taken}


def forget_keys() -> int:
    """Delete the keys whose tasks have ended. Return their number."""
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    deleted, last = 0, ""
    while True:
        with transaction.atomic():
            over = TaskKey.objects.filter(Q(until=None) | Q(until__lte=ClockTimestamp()), key__gt=last)
            locked = over.select_for_update(skip_locked=True).order_by("key").values_list("key", flat=True)
            page = list(locked[:PAGE])
            # A statement of its own, which sees the tasks of the keys as they are now that these are locked.
            deleted += TaskKey.objects.filter(~Exists(unfinished), key__in=page).delete()[0]
        if len(page) < PAGE:
            return deleted
        last = page[-1]


def _decide(sends: Sequence[Send], rows: Mapping[str, Any], holders: Mapping[str, str], *, at_once: bool) -> Decided:
    """Return which sends are new, and the task of each other one.

    Parameters:
      rows: Rows by task id: those of the keys, and those that have the ids of the sends.
      holders: The task of each key.
    """
    decided = Decided({}, {}, {}, {})
    new, known, firsts, later = decided
    seen: set[str] = set()
    for position, send in enumerate(sends):
        unique = send.unique
        if send.task_id in rows or send.task_id in seen:
            # Itself, whatever has its key by now.
            known[position] = send.task_id
            continue
        if unique is None:
            new[position] = send
        elif (first := firsts.get(unique.key)) is not None:
            known[position] = new[first].task_id
            if unique.debounce_ms is not None:
                new[first] = send._replace(task_id=new[first].task_id)
            continue
        elif (row := rows.get(holders.get(unique.key, ""))) is not None and _stands(row, unique, at_once=at_once):
            known[position] = row.task_id
            if unique.debounce_ms is not None:
                later[unique.key] = send
            continue
        else:
            firsts[unique.key], new[position] = position, send
        seen.add(send.task_id)
    return decided


def _read(task_ids: Collection[str]) -> dict[str, Any]:
    """Return rows by task id."""
    rows: dict[str, Any] = {}
    for page in _pages(sorted(task_ids)):
        rows |= {row.task_id: row for row in _looked_at(page)}
    return rows


def _looked_at(task_ids: Collection[str]) -> Any:
    return TaskStatus.objects.filter(task_id__in=task_ids).annotate(now=ClockTimestamp()).only(*LOOKED_AT)


def _lock_waiting(rows: dict[str, Any], task_ids: Iterable[str], *, at_once: bool) -> None:
    """Lock those of these tasks that wait, so that no worker claims them before the sender commits.

    A task that is overdue is not locked until the end of a long transaction: a chain of senders would starve it.

    Parameters:
      rows: By task id. Those that are locked, or have moved meanwhile, are replaced.
    """
    free = Q() if at_once else Q(run_at__gt=ClockTimestamp(offset_ms=-OVERDUE_MS))
    wanted = sorted(task_ids)
    while waiting := [one for one in wanted if one in rows and _may_be_locked(rows[one], at_once=at_once)]:
        locked: set[str] = set()
        for page in _pages(waiting):
            found = _looked_at(page).filter(free, status__in=WAITING).select_for_update(no_key=True).order_by("pk")
            taken = {row.task_id: row for row in found}
            rows |= taken
            locked |= taken.keys()
        # A worker claimed them meanwhile. It may also have given them back by now.
        wanted = [one for one in waiting if one not in locked]
        for one in wanted:
            del rows[one]
        rows |= _read(wanted)


def _may_be_locked(row: Any, *, at_once: bool) -> bool:
    return bool(row.status == states.PENDING and (at_once or not _is_overdue(row)))


def _is_overdue(row: Any) -> bool:
    return bool(row.now - row.run_at >= timedelta(milliseconds=OVERDUE_MS))


def _is_of(row: Any, key: str) -> bool:
    """Return whether a row was sent with a key. One with the same id need not."""
    return _has_key(row.options) and row.options[KEY_OPTION] == key


def _stands(row: Any, unique: Unique, *, at_once: bool) -> bool:
    """Return whether the task stands for a send of its key."""
    if not _is_of(row, unique.key):
        return False
    if unique.throttle_ms is not None:
        return bool(row.now - row.created_at < timedelta(milliseconds=unique.throttle_ms))
    if row.status == states.PROCESSING:
        # A claimed task whose cancellation is requested does not start.
        will_run = row.cancel_requested_at is None or row.started_at is not None
        return will_run and not unique.while_pending
    if row.status != states.PENDING:
        return False
    # It is about to be failed or cancelled otherwise.
    will_run = row.cancel_requested_at is None and (row.expires_at is None or row.expires_at > row.now)
    if not unique.while_pending:
        return will_run
    # Not locked, it might start before the sender commits.
    is_safe = at_once or not _is_overdue(row)
    # Handed out and late, it would be handed out anew with each send.
    is_late = unique.debounce_ms is not None and not row.delayed and row.now >= _latest(row, unique)
    return will_run and is_safe and not is_late


def _latest(row: Any, unique: Unique) -> datetime:
    """Return the time beyond which no send postpones a debounced task."""
    created_at: datetime = row.created_at
    return created_at + timedelta(milliseconds=unique.debounce_max_ms)


def _replace(row: Any, send: Send) -> None:
    """Give a waiting task the arguments of a later send, and let it wait anew.

    A task that has run waits for its retry, or snoozes: it keeps its time.
    """
    unique = send.unique
    assert unique is not None
    assert unique.debounce_ms is not None
    run_at: datetime = row.run_at
    window_end = row.now + timedelta(milliseconds=unique.debounce_ms)
    if not row.retries and not row.crashes and not row.snoozes:
        # The time of a retry by hand may be later than what the first send allows.
        run_at = min(window_end, max(_latest(row, unique), min(run_at, row.now)))
    values: dict[str, Any] = {}
    if row.owner_id != send.owner_id:
        # An error may quote the arguments of the earlier owner.
        values = dict.fromkeys(("progress_text", "error_message", "error_type", "cause", "traceback"), "")
    owner = get_user_model()._base_manager.filter(pk=send.owner_id).values("pk")[:1]
    TaskStatus.objects.filter(pk=row.pk).update(
        args=from_compact(send.args),
        kwargs=from_compact(send.kwargs),
        options=send.options,
        priority=send.priority,
        # A user who was deleted meanwhile owns no tasks.
        owner_id=None if send.owner_id is None else Subquery(owner),
        related_object_type=send.related_object_type,
        related_object_id=send.related_object_id,
        run_at=run_at,
        # An instant must stay the same, and the time of the row may have passed.
        expires_at=None if send.max_age_ms is None else window_end + timedelta(milliseconds=send.max_age_ms),
        # A message with the old arguments may be in Redis. It is of an old attempt then.
        attempt=F("attempt") if row.delayed else F("attempt") + 1,
        delayed=True,
        line=send.line,
        in_line=False,
        weight=send.weight,
        updated_at=ClockTimestamp(),
        **values,
    )


def _has_key(options: Any) -> bool:
    return isinstance(options, dict) and isinstance(options.get(KEY_OPTION), str)


def _pages(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), KEYS):
        yield items[start : start + KEYS]
