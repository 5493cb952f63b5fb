"""Delete the rows of tasks that ended long ago, and empty results before that.

No index over finished rows is kept for this: every task would pay for it. Rows are read in the order of their ids,
which is nearly that of their sends, and each only once a day.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.fields.json import KT

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import TaskAttempt, TaskChild, TaskGroupMember, TaskKey, TaskLogPart, TaskStack, TaskStatus
from apps.tasks.values import GROUP_KEY, KEY_OPTION

#: Rows that are read at once, and deleted in one transaction: a send on SQLite waits for it. Least and most of them.
LEAST_PAGE, PAGE = 50, 500
#: Seconds that such a step may take. After a longer one the next has half the rows, as on a slow disk.
STEP_SECONDS = 0.1
#: Seconds after which rows are read again that were not old enough, or not finished, when they were read.
AGAIN_SECONDS = 24 * 60 * 60.0

#: Time for which something is kept. None: for ever.
Span = timedelta | None


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Times for which ended tasks and their results are kept, from their ends on.

    Parameters:
      by_state: By the state in which they ended.
      by_actor: By the name of the actor, instead.
      results: Of every actor.
      results_by_actor: By the name of the actor, instead.
    """

    by_state: Mapping[str, Span]
    by_actor: Mapping[str, Span] = field(default_factory=dict)
    results: Span = None
    results_by_actor: Mapping[str, Span] = field(default_factory=dict)

    def of_task(self, task_name: str, status: str) -> Span:
        """Return the time for which a task is kept that ended in the state."""
        return self.by_actor.get(task_name, self.by_state.get(status))

    def of_result(self, task_name: str) -> Span:
        """Return the time for which the result of a task is kept."""
        return self.results_by_actor.get(task_name, self.results)

    def spans(self) -> set[timedelta]:
        """Return all times that it names."""
        named = (self.by_state, self.by_actor, self.results_by_actor, {"": self.results})
        return {span for one in named for span in one.values() if span is not None}


class Old(NamedTuple):
    """A row as far as its age matters.

    Parameters:
      group: Key of the innermost group that it belongs to.
      key: Key of its send.
      now: Time of the statement that read it.
    """

    pk: int
    task_id: str
    task_name: str
    status: str
    created_at: datetime
    finished_at: datetime | None
    has_result: bool
    group: str | None
    key: str | None
    now: datetime


@dataclass
class Retention:
    """Walks over the rows once for each time that something is kept, in short steps.

    Any number of relays may do this at once.
    """

    clock: Callable[[], float] = time.monotonic
    deleted: int = 0
    emptied: int = 0
    #: Id of the last row that was read, by span.
    _after: dict[timedelta, int] = field(default_factory=dict)
    _again_at: float = 0.0
    _page: int = PAGE

    def work(self, kept: Kept, *, seconds: float, before: datetime | None = None) -> bool:
        """Delete and empty what is old enough, for about so long. Return whether there may be more.

        Parameters:
          before: Only what ended before this time. None: at any time.
        """
        deadline = time.monotonic() + seconds
        if self.clock() >= self._again_at:
            self._after, self._again_at = {}, self.clock() + AGAIN_SECONDS
        for span in sorted(kept.spans()):
            while self._step(kept, span, before):
                if time.monotonic() >= deadline:
                    return True
        return False

    def _step(self, kept: Kept, span: timedelta, limit: datetime | None) -> bool:
        """Read some rows and settle those whose time is this span. Return whether there may be more of that age."""
        began, rows = time.monotonic(), min(self._page, PAGE)
        page = _read(after=self._after.get(span, 0), limit=rows)
        if not page:
            return False
        before = page[0].now - span
        if limit is not None:
            before = min(before, limit)
        ended = [row for row in page if row.created_at <= before and row.finished_at and row.finished_at <= before]
        if ended:
            gone: list[Old] = []
            rest: list[Old] = []
            for row in ended:
                (gone if kept.of_task(row.task_name, row.status) == span else rest).append(row)
            self.deleted += _delete(_not_needed(gone), before=before)
            results = [row.pk for row in rest if row.has_result and kept.of_result(row.task_name) == span]
            self.emptied += _empty(results, before=before)
        # A clock that was wrong gave them times to come. They must not hold up all that follow until then.
        passed = [row for row in page if row.created_at <= before or row.created_at > row.now]
        if passed:
            self._after[span] = passed[-1].pk
        is_slow = time.monotonic() - began > STEP_SECONDS
        self._page = max(rows // 2, LEAST_PAGE) if is_slow else min(rows * 2, PAGE)
        # The rest is younger, or the end of the table.
        return len(passed) == rows


def delete_ended(row_ids: Collection[int], *, before: datetime) -> set[int]:
    """Delete ended tasks for a person. Return the row ids that are gone now.

    Missing are unfinished tasks, those that `still_needed` returns, and rows locked by another transaction.

    Parameters:
      before: Only what ended until this time.
    """
    ended = TaskStatus.objects.filter(pk__in=row_ids, status__in=states.TERMINAL, finished_at__lte=before)
    with transaction.atomic():
        pks = set(_not_needed(_old(ended)))
        _delete(pks, before=before)
        return pks - set(TaskStatus.objects.filter(pk__in=pks).values_list("pk", flat=True))


def still_needed(row_ids: Collection[int]) -> set[int]:
    """Return the ended tasks that a group, a key of a unique send or a child still reads."""
    found = _old(TaskStatus.objects.filter(pk__in=row_ids, status__in=states.TERMINAL))
    return {row.pk for row in found} - set(_not_needed(found))


def _read(*, after: int, limit: int) -> list[Old]:
    return _old(TaskStatus.objects.filter(pk__gt=after), limit=limit)


def _old(rows: Any, *, limit: int | None = None) -> list[Old]:
    has_result = ExpressionWrapper(Q(result__isnull=False), output_field=BooleanField())
    columns: Any = ("pk", "task_id", "task_name", "status", "created_at", "finished_at")
    options = (KT(f"options__{name}") for name in (GROUP_KEY, KEY_OPTION))
    found: Any = rows.order_by("pk").values_list(*columns, has_result, *options, ClockTimestamp())
    return [Old(*row) for row in found[:limit]]


def _not_needed(rows: Collection[Old]) -> list[int]:
    """Return the ids of the rows that nothing reads any more."""
    needed = _members_of_open_groups({row.task_id for row in rows if row.group})
    needed |= _throttling({row.key for row in rows if row.key})
    needed |= _with_children({row.task_id for row in rows if row.status == states.CANCELLED})
    return [row.pk for row in rows if row.task_id not in needed]


def _members_of_open_groups(task_ids: set[str]) -> set[str]:
    """Return the tasks of groups that wait for others, also for a retry by hand. Outer groups count as well."""
    is_open = Q(group__ended_at=None) | ~Q(group__waits_for="")
    wanted: Any = task_ids  # Ids in texts: the foreign key is to them.
    return _found(TaskGroupMember.objects.filter(is_open, task_id__in=wanted), "task_id") if task_ids else set()


def _throttling(keys: Collection[str]) -> set[str]:
    """Return the tasks that stand for further sends of their keys, although they have ended."""
    return _found(TaskKey.objects.filter(key__in=keys, until__gt=ClockTimestamp()), "task_id") if keys else set()


def _with_children(task_ids: Collection[str]) -> set[str]:
    """Return the cancelled tasks whose children may still have to be cancelled."""
    return _found(TaskChild.objects.filter(parent_id__in=task_ids), "parent_id") if task_ids else set()


def _found(rows: QuerySet[Any], column: str) -> set[str]:
    return set(rows.values_list(column, flat=True))


def _delete(pks: Collection[int], *, before: datetime) -> int:
    """Delete rows with their attempts and log lines.

    A row stays that was retried meanwhile, is locked by another transaction, or is what a row of another table names.
    """
    if not pks:
        return 0
    try:
        with transaction.atomic():
            locked = _locked(pks, before)
            _delete_only(TaskAttempt.objects.filter(task_id__in=locked))
            _delete_only(TaskStack.objects.filter(task_id__in=locked))
            _delete_only(TaskLogPart.objects.filter(task_id__in=locked))
            return _delete_only(TaskStatus.objects.filter(pk__in=locked))
    except IntegrityError:
        ordered, middle = sorted(pks), len(pks) // 2
        return sum(_delete(half, before=before) for half in (ordered[:middle], ordered[middle:])) if middle else 0


def _delete_only(rows: QuerySet[Any]) -> int:
    """Delete rows without Django's look for what refers to them, which reads them all."""
    return int(rows._raw_delete(rows.db))


def _empty(pks: Collection[int], *, before: datetime) -> int:
    """Empty the results of completed tasks."""
    if not pks:
        return 0
    with transaction.atomic():
        return TaskStatus.objects.filter(pk__in=_locked(pks, before), status=states.COMPLETED).update(result=None)


def _locked(pks: Collection[int], before: datetime) -> list[int]:
    """Lock those of the rows that are still old. Return their ids."""
    rows = TaskStatus.objects.filter(pk__in=pks, status__in=states.TERMINAL, finished_at__lte=before)
    return list(rows.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True))
