"""Pauses: the tasks of a paused queue or actor wait, and those that run go on to their end.

A pause is a row, so it outlives every process and Redis. Worker processes read the rows when they start, every two
seconds, and at once when they are called. A worker fetches nothing from a paused queue. It puts the tasks of a paused
actor aside: `ledger.set_aside`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dramatiq
from django.db import transaction
from django.utils.translation import gettext as _

from apps.tasks import audit, figures, presence, queues
from apps.tasks.clock import ClockTimestamp
from apps.tasks.errors import BadPauseError, UnknownActorError, UnknownQueueError
from apps.tasks.json_safe import clean_text
from apps.tasks.models import Pause, TaskStatus, WorkerProcess
from apps.tasks.signals import pauses_changed

QUEUE, ACTOR = Pause.KIND_QUEUE, Pause.KIND_ACTOR
KINDS = (QUEUE, ACTOR)
#: Names that an error lists, at most.
MOST_NAMES = 50
#: Characters of a reason, at most.
WHY_MAX_LENGTH: int = Pause._meta.get_field("why").max_length or 0
BY_MAX_LENGTH: int = Pause._meta.get_field("by").max_length or 0


@dataclass(frozen=True, kw_only=True)
class Paused:
    """The pauses of one moment, by name. It is false if there are none."""

    queues: Mapping[str, Pause] = field(default_factory=dict)
    actors: Mapping[str, Pause] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.queues or self.actors)

    def of(self, *, queue_name: str, task_name: str) -> Pause | None:
        """Return the pause for which a task on that queue waits. None: it does not."""
        return self.queues.get(queue_name) or self.actors.get(task_name)


def read() -> Paused:
    """Return the pauses of now, with one statement."""
    found: dict[str, dict[str, Pause]] = {QUEUE: {}, ACTOR: {}}
    for pause in Pause.objects.filter(kind__in=KINDS):
        found[pause.kind][pause.name] = pause
    return Paused(queues=found[QUEUE], actors=found[ACTOR])


def names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the paused queues and of the paused actors, with one small statement."""
    found = list(Pause.objects.order_by().values_list("kind", "name"))
    queue_names, task_names = (frozenset(name for of_kind, name in found if of_kind == kind) for kind in KINDS)
    return queue_names, task_names


def of(task: TaskStatus) -> Pause | None:
    """Return the pause of a task's queue or actor. It is for a task that waits: one that runs goes on to its end."""
    return read().of(queue_name=task.queue_name, task_name=task.task_name)


def pause(kind: str, name: str, *, by: Any = "", why: str = "") -> Pause:
    """Let the tasks of a queue or an actor wait. One that is paused stays as it is.

    Parameters:
      kind: `QUEUE` or `ACTOR`.
      by: Person who does it: an `audit.By`, which notes it in the audit, or a user or a text for a caller that does so.
      why: Reason, for others.

    Raises:
      UnknownQueueError, UnknownActorError: There is no such queue or actor. The message has the known names.
      BadPauseError: Another kind, or the reason is too long.
    """
    check_known(kind, name)
    reason = _reason(why)
    person = by.name if isinstance(by, audit.By) else str(by)
    values = {"since": ClockTimestamp(), "by": clean_text(person)[:BY_MAX_LENGTH], "why": reason}
    with transaction.atomic():
        found, is_new = Pause.objects.get_or_create(kind=kind, name=name, defaults=values)
        if is_new:
            _note("pause", found, by=by, why=reason)
            _tell()
            found.refresh_from_db()
    return found


def resume(kind: str, name: str, *, by: Any = "", why: str = "") -> Pause | None:
    """Let the tasks of a queue or an actor run again. Return the pause that ended. None: it was not paused.

    Parameters: As `pause`.

    Raises:
      UnknownQueueError, UnknownActorError, BadPauseError: As `pause`. What is paused can be resumed in any case.
    """
    with transaction.atomic():
        found = Pause.objects.select_for_update().filter(kind=kind, name=clean_text(name)).first()
        if found is None:
            check_known(kind, name)
            return None
        Pause.objects.filter(pk=found.pk).delete()
        _note("resume", found, by=by, why=_reason(why))
        _tell()
    return found


def check_known(kind: str, name: str) -> None:
    """Check that there is such a queue or actor: in this code, in a worker process, or in the figures.

    Raises: As `pause`.
    """
    if kind not in KINDS:
        raise BadPauseError(_("A pause is of the kind queue or actor, not %(kind).80r.") % {"kind": kind})
    known = known_queues() if kind == QUEUE else known_actors()
    if name in known:
        return
    # Of another program, or of code that is gone, whose tasks still wait.
    totals = figures.totals()
    known |= {queue_name if kind == QUEUE else task_name for task_name, queue_name in totals}
    if name in known:
        return
    error = UnknownQueueError if kind == QUEUE else UnknownActorError
    raise error(f"Unknown {kind} {name!r:.120}, must be one of: {_listed(known)}{queues.did_you_mean(name, known)}")


def known_queues(workers: Iterable[WorkerProcess] | None = None) -> set[str]:
    """Return the queues that this code declares, and those from which a worker takes.

    Parameters:
      workers: Rows of workers. None: all that have not stopped.
    """
    if workers is None:
        workers = WorkerProcess.objects.workers().filter(stopped_at=None).only("queues")
    declared = set(dramatiq.get_broker().get_declared_queues())
    return declared | presence.taken_by(workers, declared)


def known_actors() -> set[str]:
    """Return the actors that this code declares."""
    return set(dramatiq.get_broker().get_declared_actors())


def _reason(why: str) -> str:
    reason = clean_text(str(why)).strip()
    if len(reason) > WHY_MAX_LENGTH:
        raise BadPauseError(
            _("The reason has %(length)d characters, must have %(most)d at most.")
            % {"length": len(reason), "most": WHY_MAX_LENGTH}
        )
    return reason


def _note(verb: str, pause: Pause, *, by: Any, why: str) -> None:
    if isinstance(by, audit.By):
        audit.note(verb, by=by, target=f"{pause.kind}:{pause.name}", reason=why)


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:MOST_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _tell() -> None:
    """Tell the worker processes, once that is committed."""
    transaction.on_commit(partial(pauses_changed.send_robust, Pause), robust=True)
