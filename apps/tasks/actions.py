"""Actions of operators on tasks: which tasks each applies to, and the change that it makes. Each is noted in the audit.

The admin, the API, the pages of writers and the terminal act through these functions. `apps.tasks.tasks` has the task
that acts on very many.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dramatiq
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from apps.tasks import audit, figures, ledger, states
from apps.tasks.audit import By
from apps.tasks.errors import TaskError
from apps.tasks.models import AuditEntry, AuditPage, TaskStatus

#: Row ids by what became of the tasks: words of `audit.VERBS`.
Changed = dict[str, set[int]]


class BadValueError(TaskError, ValueError):
    """Unknown queue 'slwo', must be one of: default, documents"""


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action of operators on tasks.

    Parameters:
      name: Name in addresses, forms, permissions and the audit.
      may: Returns the condition for the rows that it applies to now.
      change: Changes rows in one transaction, with the value.
      parse: Returns the value that a text means. None: the action needs none.
      of_ended: Whether it applies to ended tasks. Those that end while it is under way are not meant.
    """

    name: str
    may: Callable[[], Q]
    change: Callable[[Collection[int], Any], Changed]
    parse: Callable[[str], Any] | None = None
    of_ended: bool = False


def priority_of(text: str) -> int:
    """Return the priority that a text means.

    Raises:
      BadValueError: None that the column holds.
    """
    least, largest = ledger.LEAST_PRIORITY, ledger.LARGEST_PRIORITY
    text = text.strip()
    is_number = text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal() and len(text) <= len(str(least))
    if not is_number or not least <= int(text) <= largest:
        raise BadValueError(
            _("The priority %(value)r must be a whole number from %(least)s to %(largest)s.")
            % {"value": text[:80], "least": f"{least:,}", "largest": f"{largest:,}"}
        )
    return int(text)


def declared_queues() -> list[str]:
    """Return the names of the queues that this code declares."""
    return sorted(dramatiq.get_broker().get_declared_queues())


def queue_of(text: str) -> str:
    """Return the declared queue that a text names.

    Raises:
      BadValueError: No such queue.
    """
    names = declared_queues()
    if text not in names:
        raise BadValueError(
            _("Unknown queue %(value)r, must be one of: %(names)s") % {"value": text[:80], "names": ", ".join(names)}
        )
    return text


CANCEL = Action(
    name="cancel",
    may=lambda: ledger.may(states.CANCEL) | (ledger.may(states.CANCEL_CLAIMED) & Q(cancel_requested_at=None)),
    change=lambda row_ids, _value: _cancelled(row_ids),
)
RETRY = Action(
    name="retry",
    may=lambda: ledger.may(states.RETRY_BY_HAND),
    change=lambda row_ids, _value: {"retry": ledger.retry_many(row_ids)},
    of_ended=True,
)
RUN_NOW = Action(
    name="run_now",
    may=ledger.may_run_now,
    change=lambda row_ids, _value: {"run_now": ledger.run_now(row_ids)},
)
PRIORITY = Action(
    name="priority",
    may=lambda: Q(status=states.PENDING),
    change=lambda row_ids, value: {"priority": ledger.change_priority(row_ids, value)},
    parse=priority_of,
)
QUEUE = Action(
    name="queue",
    may=lambda: Q(status=states.PENDING),
    change=lambda row_ids, value: {"queue": ledger.change_queue(row_ids, value)},
    parse=queue_of,
)
DELETE = Action(
    name="delete",
    may=lambda: Q(status__in=states.TERMINAL),
    change=lambda row_ids, _value: {"delete": ledger.delete_ended(row_ids, before=figures.settled_until())},
    of_ended=True,
)
#: What `purging` does to the tasks that wait in a queue. Those that a worker has taken meanwhile are left.
PURGE = Action(
    name="purge",
    may=lambda: ledger.may(states.CANCEL),
    change=lambda row_ids, _value: _cancelled(_waiting(row_ids)),
)
ACTIONS: Mapping[str, Action] = {one.name: one for one in (CANCEL, RETRY, RUN_NOW, PRIORITY, QUEUE, DELETE)}
#: Those that a task may carry out.
PLANNED: Mapping[str, Action] = {**ACTIONS, PURGE.name: PURGE}


def cancel(task_id: str, *, by: By, reason: str = "") -> bool:
    """Cancel one task as `ledger.cancel` does, and note it. Return whether the task is cancelled now."""
    with transaction.atomic():
        before = TaskStatus.objects.filter(task_id=task_id).values_list("pk", "cancel_requested_at").first()
        is_cancelled = ledger.cancel(task_id)
        if before is not None:
            row_id, requested_at = before
            asked = TaskStatus.objects.filter(pk=row_id, status=states.PROCESSING, cancel_requested_at__isnull=False)
            if is_cancelled:
                audit.note("cancel", by=by, row_ids=[row_id], reason=reason)
            elif requested_at is None and asked.exists():
                audit.note("request_cancel", by=by, row_ids=[row_id], reason=reason)
    return is_cancelled


def run(action: Action, row_ids: Collection[int], **meant: Any) -> Changed:
    """Act on tasks as `pages` does. Return what became of which."""
    done = Changed()
    for changed in pages(action, row_ids, **meant):
        for change, found in changed.items():
            done.setdefault(change, set()).update(found)
    return done


def pages(
    action: Action,
    row_ids: Collection[int],
    *,
    by: By,
    value: Any = None,
    reason: str = "",
    query: str = "",
    target: str = "",
) -> Iterator[Changed]:
    """Act on tasks in pages, each in a transaction of its own with its notes. Yield what became of which.

    Parameters:
      query: Query of the list whose tasks are meant.
      target: Queue of the tasks, if they are all of one that is meant.
    """
    shown = "" if value is None else str(value)
    rows, entry = list(row_ids), None
    for start in range(0, len(rows), ledger.PAGE):
        page = rows[start : start + ledger.PAGE]
        # The name of a task that is deleted is noted, too.
        alone = _name(page[0]) if len(rows) == 1 and not target else ""
        with transaction.atomic():
            changed = {change: found for change, found in action.change(page, value).items() if found}
            if alone:
                for change, found in changed.items():
                    audit.note(change, by=by, row_ids=found, target=alone, value=shown, reason=reason)
            elif changed:
                if entry is None:
                    entry = audit.note(
                        action.name, by=by, target=target, value=shown, reason=reason, query=query, total=len(rows)
                    )
                audit.note_more(entry, changed)
        yield changed


def _cancelled(row_ids: Collection[int]) -> Changed:
    return dict(zip(("cancel", "request_cancel"), ledger.cancel_many(row_ids), strict=True))


def _waiting(row_ids: Collection[int]) -> list[int]:
    return list(TaskStatus.objects.filter(pk__in=row_ids, status=states.PENDING).values_list("pk", flat=True))


def _name(row_id: int) -> str:
    return " ".join(TaskStatus.objects.filter(pk=row_id).values_list("task_name", "task_id").first() or ())


def ended_until(at: datetime) -> Q:
    """Return the condition for tasks that had ended at a time. Another program may have ended one without a time."""
    return Q(finished_at__lte=at) | Q(finished_at=None)


# --- Very many tasks, by a task of its own --------------------------------------------------------

#: Name of the actor that acts on very many.
ACTOR = "tasks.act_on_all"


def plan(
    action: Action,
    row_ids: Iterable[int],
    *,
    number: int,
    by: By,
    value: Any = None,
    reason: str = "",
    query: str = "",
    target: str = "",
) -> AuditEntry:
    """Keep which tasks an action is going to change: those that match now. `go_on` changes them, page by page.

    Parameters:
      action: One of `PLANNED`.
      row_ids: In order.
      number: Their number.
      target: Queue of the tasks, if they are all of one that is meant.
    """
    shown = "" if value is None else str(value)
    with transaction.atomic():
        entry = audit.note(action.name, by=by, target=target, value=shown, reason=reason, query=query, total=number)
        audit.plan(entry, row_ids)
    return entry


def go_on(entry: AuditEntry) -> bool:
    """Change the next page of a planned action. Return whether there may be more.

    The page is settled in the transaction that changes its tasks. So a worker that goes on after another one died
    changes no task twice, and a task that ended anew meanwhile is left as it is.
    """
    action = PLANNED[entry.verb]
    value = action.parse(entry.value) if action.parse else None
    planned = AuditPage.objects.filter(entry=entry, change="")
    with transaction.atomic():
        page = planned.select_for_update().order_by("pk").first()
        if page is None:
            # An attempt that was taken for dead may just have settled the page that this one waited for.
            return planned.exists()
        meant = TaskStatus.objects.filter(pk__in=audit.row_ids_of(page))
        if action.of_ended:
            meant = meant.filter(ended_until(entry.at))
        changed = action.change(list(meant.order_by("pk").values_list("pk", flat=True)), value)
        took = set[int]().union(*changed.values())
        page.delete()
        audit.note_more(entry, {change: found for change, found in changed.items() if found})
        if took:
            # Another transaction may have locked these. They come again at the end, while any of them take.
            left = meant.filter(action.may()).exclude(pk__in=took).order_by("pk").values_list("pk", flat=True)
            audit.plan(entry, left)
    return True
