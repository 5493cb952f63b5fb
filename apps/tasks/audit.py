"""Who did what to a task, a queue or a process, when, from where, and why.

    audit.note("pause", by=audit.by_user(request.user, door=audit.ADMIN), target="queue:mail", reason="SMTP is down")
    audit.note("cancel", by=audit.by_terminal(), row_ids=[task.pk])
    audit.of(task)

Call it in the transaction that does the act, so that there is neither without the other.
"""

import getpass
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.tasks.clock import ClockTimestamp
from apps.tasks.errors import TaskError
from apps.tasks.json_safe import clean_text
from apps.tasks.models import AuditEntry, AuditPage, TaskStatus
from apps.tasks.models.audit import REASON_MAX_LENGTH

#: Doors by which an act comes in.
ADMIN, API, PAGE, TERMINAL, SYSTEM = (
    AuditEntry.ADMIN, AuditEntry.API, AuditEntry.PAGE, AuditEntry.TERMINAL, AuditEntry.SYSTEM,
)  # fmt: skip

#: Acts, with what is said of their object.
VERBS: dict[str, Any] = {
    "cancel": _("Cancelled"),
    "request_cancel": _("Cancellation requested"),
    "retry": _("Retried"),
    "run_now": _("Run now"),
    "priority": _("Priority changed"),
    "queue": _("Queue changed"),
    "delete": _("Deleted"),
    "pause": _("Paused"),
    "resume": _("Resumed"),
    "purge": _("Purged"),
    "quiet": _("Told to take no more tasks"),
    "stop": _("Told to stop"),
    "run": _("Run by hand"),
    "change": _("Changed"),
    "silence": _("Silenced"),
}

#: Row ids of one page. Each page is changed in a transaction of its own.
ROWS = 1_000
#: Pages that are kept by one statement.
PLANNED = 20
#: Entries about one task that are shown.
MOST_SHOWN = 50
#: Rows that are deleted at once.
FORGOTTEN = 500


class UnknownVerbError(TaskError, ValueError):
    """Unknown act 'canel', must be one of: cancel, retry, ..."""


@dataclass(frozen=True, kw_only=True)
class By:
    """A person, or a program, that acts.

    Parameters:
      name: Name to show, for ever.
      door: Where the act comes from.
      user_id: Primary key of the user. None: there is none.
    """

    name: str
    door: str
    user_id: Any = None


@dataclass(frozen=True, kw_only=True)
class Noted:
    """An act as one task's page tells it.

    Parameters:
      verb: What became of this task.
      others: Number of other tasks that the act changed.
    """

    at: datetime
    verb: str
    text: Any
    name: str
    door: str
    value: str
    reason: str
    others: int
    entry_id: int


def by_user(user: Any, *, door: str) -> By:
    """Return a user who acts."""
    return By(name=str(user.get_username()), door=door, user_id=user.pk)


def by_terminal() -> By:
    """Return the system user of this process."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container may run as a number without a name.
        name = f"uid {os.getuid()}"
    return By(name=name, door=TERMINAL)


def note(
    verb: str,
    *,
    by: By,
    row_ids: Collection[int] = (),
    target: str = "",
    value: str = "",
    reason: str = "",
    query: str = "",
    total: int | None = None,
) -> AuditEntry:
    """Note an act. It is committed with the caller's transaction.

    Parameters:
      verb: One of `VERBS`.
      row_ids: Primary keys of the tasks that it changed.
      target: What it was done to if that is no task, such as `queue:mail`, `actor:shop.pay`, `worker:2ad60f39-...`.
      value: The new value, if there is one.
      query: Query of the list whose tasks were meant.
      total: Number of tasks that it is going to change, with `note_more`. None: `row_ids` are all.

    Raises:
      UnknownVerbError: No such act.
    """
    if verb not in VERBS:
        raise UnknownVerbError(f"Unknown act {verb!r:.80}, must be one of: {', '.join(VERBS)}")
    alone = next(iter(row_ids)) if len(row_ids) == 1 and total in (None, 1) else None
    if alone is not None and not target:
        names = TaskStatus.objects.filter(pk=alone).values_list("task_name", "task_id").first()
        target = " ".join(names or ())
    with transaction.atomic():
        entry = AuditEntry.objects.create(
            at=ClockTimestamp(),
            verb=verb,
            user_id=by.user_id,
            name=clean_text(by.name)[:255],
            door=by.door,
            target=clean_text(target)[:255],
            row_id=alone,
            number=len(row_ids),
            total=len(row_ids) if total is None else total,
            value=clean_text(value)[:255],
            reason=clean_text(reason.strip())[:REASON_MAX_LENGTH],
            query=clean_text(query),
        )
        if alone is None:
            AuditPage.objects.bulk_create(_pages(entry, row_ids, change=verb))
    return entry


def note_more(entry: AuditEntry, changed: Mapping[str, Collection[int]]) -> None:
    """Note further tasks of an act that is done page by page.

    Parameters:
      changed: Row ids by what became of them.
    """
    with transaction.atomic():
        for change, row_ids in changed.items():
            AuditPage.objects.bulk_create(_pages(entry, row_ids, change=change))
        entry.number += sum(map(len, changed.values()))
        entry.save(update_fields=["number"])


def of(task: TaskStatus) -> list[Noted]:
    """Return the acts on a task, the newest first. Two look-ups by index, however many acts there are on others."""
    found = {entry.pk: (entry, entry.verb) for entry in AuditEntry.objects.filter(row_id=task.pk)[:MOST_SHOWN]}
    pages = AuditPage.objects.filter(first__lte=task.pk, last__gte=task.pk).exclude(change="")
    shown = 0
    for page in pages.select_related("entry").order_by("-entry_id").iterator(chunk_size=MOST_SHOWN):
        if has(page, task.pk):
            found[page.entry_id] = page.entry, page.change
            shown += 1
        if shown == MOST_SHOWN:
            break
    return [
        Noted(
            at=entry.at,
            verb=verb,
            text=VERBS.get(verb, verb),
            name=entry.name,
            door=entry.get_door_display(),
            value=entry.value,
            reason=entry.reason,
            others=max(0, entry.number - 1),
            entry_id=pk,
        )
        for pk, (entry, verb) in sorted(found.items(), reverse=True)[:MOST_SHOWN]
    ]


def row_ids_of(page: AuditPage) -> list[int]:
    """Return the row ids of a page, in order."""
    return [pk for first, number in page.runs for pk in range(first, first + number)]


def has(page: AuditPage, row_id: int) -> bool:
    """Return whether a page has a row."""
    return any(first <= row_id < first + number for first, number in page.runs)


def plan(entry: AuditEntry, row_ids: Iterable[int]) -> None:
    """Keep the rows that an act is going to change, given in order. Each page is open until it has its turn."""
    pages = _pages(entry, row_ids, change="")
    while some := list(islice(pages, PLANNED)):
        AuditPage.objects.bulk_create(some)


def forget(*, older_than: timedelta) -> int:
    """Delete old entries. Return their number."""
    before = ClockTimestamp(offset_ms=-older_than / timedelta(milliseconds=1))
    deleted = 0
    while pks := list(AuditEntry.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:FORGOTTEN]):
        with transaction.atomic():
            AuditPage.objects.filter(entry__in=pks).delete()
            deleted += AuditEntry.objects.filter(pk__in=pks).delete()[0]
    return deleted


def _pages(entry: AuditEntry, row_ids: Iterable[int], *, change: str) -> Iterator[AuditPage]:
    """Yield pages with the row ids."""
    runs: list[list[int]] = []
    number = 0
    for row_id in sorted(row_ids) if isinstance(row_ids, set | frozenset) else row_ids:
        if number == ROWS:
            yield _page(entry, runs, number, change)
            runs, number = [], 0
        if runs and runs[-1][0] + runs[-1][1] == row_id:
            runs[-1][1] += 1
        else:
            runs.append([row_id, 1])
        number += 1
    if number:
        yield _page(entry, runs, number, change)


def _page(entry: AuditEntry, runs: list[list[int]], number: int, change: str) -> AuditPage:
    last, count = runs[-1]
    return AuditPage(entry=entry, first=runs[0][0], last=last + count - 1, runs=runs, number=number, change=change)
