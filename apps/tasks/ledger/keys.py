"""Keys of unique sends: which sends become tasks, and for which another task stands.

The row of a key is locked until the sender commits, so of two senders the second waits for the first. Each look at a
task is a statement of its own after the lock: PostgreSQL shows a statement what was committed before it began.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.ledger.rows import PAGE, may
from apps.tasks.models import TaskKey, TaskStatus
from apps.tasks.statements.keys import lock
from apps.tasks.values import KEY_OPTION, Send, Unique

#: Keys that are locked by one statement.
KEYS = 500
#: State of tasks that wait, written so that no planner walks the index over all of them instead of finding the few.
WAITING = (states.PENDING, "")
#: Columns of a task that say whether it stands for a send.
LOOKED_AT = (
    "task_id", "status", "created_at", "run_at", "expires_at", "cancel_requested_at", "delayed", "retries", "crashes",
)  # fmt: skip


def settle(sends: Sequence[Send]) -> tuple[list[Send], dict[int, str]]:
    """Lock the keys of the sends in the open transaction, and find the tasks that stand for them.

    Returns:
      The sends to insert, and for each other send, by its position, the id of the task that stands for it.
    """
    rows, own = _standing(sends)
    new: dict[int, Send] = {}
    known: dict[int, str] = {}
    # Position of the first new send of a key, and the last send that replaces arguments of its waiting task.
    firsts: dict[str, int] = {}
    later: dict[str, Send] = {}
    for position, send in enumerate(sends):
        unique = send.unique
        if unique is None:
            new[position] = send
            continue
        row, first = rows.get(unique.key), firsts.get(unique.key)
        if first is not None:
            known[position] = new[first].task_id
            if unique.debounce_ms is not None:
                new[first] = replace(send, task_id=new[first].task_id)
        elif row is not None and _stands(row, unique):
            known[position] = row.task_id
            if unique.debounce_ms is not None:
                later[unique.key] = send
        else:
            firsts[unique.key], new[position] = position, send
            if own.get(unique.key) != send.task_id or unique.throttle_ms is not None:
                until = None if unique.throttle_ms is None else ClockTimestamp(offset_ms=unique.throttle_ms)
                TaskKey.objects.filter(key=unique.key).update(task_id=send.task_id, until=until)
    for key, send in later.items():
        _replace(rows[key], send)
    return list(new.values()), known


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


def _standing(sends: Sequence[Send]) -> tuple[dict[str, Any], dict[str, str]]:
    """Lock the keys of the sends. Return the row of each key's task, and the task ids of the keys that are new."""
    ids: dict[str, str] = {}
    for send in sends:
        if send.unique is not None:
            ids.setdefault(send.unique.key, send.task_id)
    holders: dict[str, str] = {}
    for keys in _pages(sorted(ids)):
        holders |= lock({key: ids[key] for key in keys})
    earlier = {key: task_id for key, task_id in holders.items() if task_id != ids[key]}
    rows: dict[str, Any] = {}
    for task_ids in _pages(list(earlier.values())):
        rows |= _rows(task_ids)
    found = {key: rows[task_id] for key, task_id in earlier.items() if task_id in rows}
    return found, {key: task_id for key, task_id in holders.items() if key not in earlier}


def _rows(task_ids: Collection[str]) -> dict[str, Any]:
    """Return rows by task id. Those that wait are locked, so no worker claims them before the sender commits."""
    found: dict[str, Any] = {}
    missing = set(task_ids)
    while missing:
        rows = TaskStatus.objects.filter(task_id__in=missing).annotate(now=ClockTimestamp()).only(*LOOKED_AT)
        waiting = rows.filter(status__in=WAITING).select_for_update(no_key=True).order_by("pk")
        found |= {row.task_id: row for row in waiting}
        left = missing - found.keys()
        others = {row.task_id: row for row in rows.filter(task_id__in=left)} if left else {}
        found |= others
        # A worker gave it back between the two statements.
        missing = {task_id for task_id, row in others.items() if row.status == states.PENDING}
    return found


def _stands(row: Any, unique: Unique) -> bool:
    """Return whether the task stands for a send of its key."""
    if unique.throttle_ms is not None:
        return bool(row.now - row.created_at < timedelta(milliseconds=unique.throttle_ms))
    if row.status == states.PENDING:
        # It is about to be failed or cancelled otherwise.
        return row.cancel_requested_at is None and (row.expires_at is None or row.expires_at > row.now)
    return row.status == states.PROCESSING and not unique.while_pending


def _replace(row: Any, send: Send) -> None:
    """Give a waiting task the arguments of a later send, and let it wait anew.

    A task that has run waits for its retry: it keeps its time.
    """
    unique = send.unique
    assert unique is not None
    assert unique.debounce_ms is not None
    run_at: datetime = row.run_at
    if not row.retries and not row.crashes:
        latest = row.created_at + timedelta(milliseconds=unique.debounce_max_ms)
        run_at = min(row.now + timedelta(milliseconds=unique.debounce_ms), latest)
    owner = get_user_model()._base_manager.filter(pk=send.owner_id).values("pk")[:1]
    TaskStatus.objects.filter(pk=row.pk).update(
        args=list(send.args),
        kwargs=send.kwargs,
        options=send.options,
        priority=send.priority,
        # A user who was deleted meanwhile owns no tasks.
        owner_id=None if send.owner_id is None else Subquery(owner),
        related_object_type=send.related_object_type,
        related_object_id=send.related_object_id,
        run_at=run_at,
        expires_at=None if send.max_age_ms is None else run_at + timedelta(milliseconds=send.max_age_ms),
        # A message with the old arguments may be in Redis. It is of an old attempt then.
        attempt=F("attempt") if row.delayed else F("attempt") + 1,
        delayed=True,
        line=send.line,
        in_line=False,
        weight=send.weight,
        updated_at=ClockTimestamp(),
    )


def _has_key(options: Any) -> bool:
    return isinstance(options, dict) and isinstance(options.get(KEY_OPTION), str)


def _pages(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), KEYS):
        yield items[start : start + KEYS]
