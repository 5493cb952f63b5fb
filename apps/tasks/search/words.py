"""Words of a search, each with what it finds."""

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dramatiq
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.tasks import states
from apps.tasks.models import Schedule, ScheduleSlot, TaskGroupMember, WorkerProcess
from apps.tasks.search import anchor, arguments
from apps.tasks.search.anchor import Anchor
from apps.tasks.search.errors import SearchError, shown, unknown
from apps.tasks.search.spans import span
from apps.tasks.search.states import ALIASES, STATES

#: Members of a group, runs of a schedule, or processes of a host, that a search looks at.
MOST_TASKS, MOST_PROCESSES = 10_000, 100
INTEGER_LIMIT, BIG_INTEGER_LIMIT = 2**31, 2**63
#: Name of the parameters that arguments have, as in `arg.document_id:7`.
ARGUMENT = "arg."
#: Column of worker processes with the version of their code, if they tell it.
VERSION = "code_version"


@dataclass(frozen=True, kw_only=True)
class Match:
    """Rows that a word with its value finds.

    Parameters:
      condition: Condition of the rows. None: their arguments are looked at.
      anchor: Rows from which the search may start. All that the condition finds are among them.
      is_exact: Whether the anchor alone has the condition.
    """

    condition: Q | None
    anchor: Anchor | None = None
    is_exact: bool = False

    @classmethod
    def by_index(cls, anchor: Anchor) -> "Match":
        return cls(condition=anchor.condition, anchor=anchor, is_exact=True)


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of searches.

    Parameters:
      title: Name for people.
      example: A value, for people.
      match: Returns what a value finds. It gets the value and the time of the search.
      suggested: Returns values that are suggested.
    """

    name: str
    title: Any
    example: str
    match: Callable[[str, datetime], Match]
    suggested: Callable[[], Iterable[str]] = tuple


def _state(value: str, now: datetime) -> Match:
    name = ALIASES.get(value.lower(), value.lower())
    if name not in STATES:
        raise unknown(_("Unknown state %(value)s, must be one of: %(valid)s"), value, STATES)
    state = STATES[name]
    return Match(condition=state.condition, anchor=state.anchor, is_exact=state.is_exact)


def _actors() -> list[str]:
    return sorted(dramatiq.get_broker().get_declared_actors())


def _queues() -> list[str]:
    return sorted(dramatiq.get_broker().get_declared_queues())


def _actor(value: str, now: datetime) -> Match:
    """Match the actor of this name, or those that end in it. Rows of actors that are gone have names, too."""
    names = {name for name in _actors() if name.endswith(f".{value}")} | {value}
    return Match(condition=Q(task_name__in=sorted(names)))


def _queue(value: str, now: datetime) -> Match:
    return Match(condition=Q(queue_name=value))


def _owner(value: str, now: datetime) -> Match:
    users = get_user_model()
    found = users._default_manager.filter(**{users.USERNAME_FIELD: value}).values_list("pk", flat=True).first()
    if found is None:
        raise SearchError(_("There is no user %(value)s") % {"value": shown(value)})
    limited = gettext_lazy("Searched: the newest %(count)s tasks of this owner.")
    return Match.by_index(Anchor(condition=Q(owner_id=found), rank=anchor.OWNER_RANK, limited=limited))


def _worker(value: str, now: datetime) -> Match:
    try:
        return Match(condition=Q(worker_id=uuid.UUID(value)))
    except ValueError:
        pass
    hostname, colon, pid = value.rpartition(":")
    of_host = Q(hostname=value)
    if colon and re.fullmatch(r"\d{1,9}", pid, re.ASCII):
        of_host |= Q(hostname=hostname, pid=int(pid))
    found = WorkerProcess.objects.filter(of_host).order_by("-started_at").values_list("pk", flat=True)
    if not (ids := list(found[:MOST_PROCESSES])):
        message = _("There is no worker %(value)s, must be its id, its host or host:pid")
        raise SearchError(message % {"value": shown(value)})
    return Match(condition=Q(worker_id__in=ids))


def _schedule(value: str, now: datetime) -> Match:
    schedule = Schedule.objects.filter(name=value).values_list("pk", flat=True).first()
    if schedule is None:
        names = Schedule.objects.order_by("name").values_list("name", flat=True)[:50]
        raise unknown(_("Unknown schedule %(value)s, must be one of: %(valid)s"), value, names)
    slots = ScheduleSlot.objects.filter(schedule_id=schedule).exclude(task_id="").order_by("-slot")
    return Match.by_index(
        Anchor(
            condition=Q(task_id__in=slots.values("task_id")[:MOST_TASKS]),
            order="",
            rank=anchor.FEW,
            limited=gettext_lazy("Searched: the runs that the history of the schedule has."),
            always_limited=True,
        )
    )


def _group(value: str, now: datetime) -> Match:
    members = TaskGroupMember.objects.filter(group__key=value)
    has_more = members.filter(position__gte=MOST_TASKS).exists()
    return Match.by_index(
        Anchor(
            condition=Q(task_id__in=members.order_by("position").values("task_id")[:MOST_TASKS]),
            order="",
            rank=anchor.FEW,
            limited=gettext_lazy("Searched: the first %(count)s members of the group.") if has_more else "",
            always_limited=has_more,
        )
    )


def _cause(value: str, now: datetime) -> Match:
    limited = gettext_lazy("Searched: the newest %(count)s failures of this cause.")
    condition = Q(status=states.FAILED, cause=value)
    return Match.by_index(Anchor(condition=condition, rank=anchor.CAUSE_RANK, limited=limited))


def _error(value: str, now: datetime) -> Match:
    return Match(condition=Q(error_type=value) | Q(error_type__endswith=f".{value}"))


def _kinds() -> list[str]:
    """Return the names of the models that actors are about."""
    labels = [actor.options.get("related_to") for actor in dramatiq.get_broker().actors.values()]
    return sorted({label.rpartition(".")[2].lower() for label in labels if isinstance(label, str)})


def _about(value: str, now: datetime) -> Match:
    kind, slash, key = value.rpartition("/")
    pk = _integer(key, BIG_INTEGER_LIMIT)
    if not slash or not kind or pk is None:
        message = _("%(value)s is no object, must be like document/7")
        raise SearchError(message % {"value": shown(value)})
    models = [model for model in apps.get_models() if kind.lower() in (model._meta.model_name, model._meta.label_lower)]
    if not models and "." not in kind:
        raise unknown(_("Unknown kind of object %(value)s, must be one of: %(valid)s"), kind, _kinds())
    labels = [model._meta.label for model in models] or [kind]
    condition = Q(related_object_type__in=labels, related_object_id=pk)
    return Match.by_index(Anchor(condition=condition, order="", rank=anchor.FEW))


def _priority(value: str, now: datetime) -> Match:
    priority = _integer(value, INTEGER_LIMIT)
    if priority is None:
        message = _("%(value)s is no priority, must be a whole number from %(least)s to %(most)s")
        raise SearchError(message % {"value": shown(value), "least": -INTEGER_LIMIT, "most": INTEGER_LIMIT - 1})
    return Match(condition=Q(priority=priority))


def _integer(value: str, limit: int) -> int | None:
    if not re.fullmatch(r"[+-]?\d{1,20}", value, re.ASCII):
        return None
    return found if -limit <= (found := int(value)) < limit else None


def _between(column: str, since: datetime | None, until: datetime | None) -> Q:
    condition = Q()
    if since is not None:
        condition &= Q(**{f"{column}__gte": since})
    if until is not None:
        condition &= Q(**{f"{column}__lt": until})
    return condition


def _sent(value: str, now: datetime) -> Match:
    return Match(condition=_between("created_at", *span("sent", value, now=now)))


def _finished(value: str, now: datetime) -> Match:
    condition = Q(finished_at__isnull=False) & _between("finished_at", *span("finished", value, now=now))
    limited = gettext_lazy("Searched: the %(count)s tasks that ended last in this time.")
    order = anchor.ENDED.order
    return Match.by_index(Anchor(condition=condition, order=order, rank=anchor.ENDED_RANK, limited=limited))


def _id(value: str, now: datetime) -> Match:
    return Match.by_index(Anchor(condition=Q(task_id=value), order="", rank=anchor.FEW))


def _version(value: str, now: datetime) -> Match:
    found = WorkerProcess.objects.filter(**{f"{VERSION}__startswith": value}).order_by("-started_at")
    return Match(condition=Q(worker_id__in=list(found.values_list("pk", flat=True)[:MOST_TASKS])))


def has_versions() -> bool:
    """Return whether worker processes tell their code version."""
    return any(field.name == VERSION for field in WorkerProcess._meta.concrete_fields)


def argument(name: str, value: str) -> Match:
    """Match a value of an argument. It is compared later: see `apps.tasks.search.arguments`."""
    arguments.check(name)
    return Match(condition=None)


def _any_argument(value: str, now: datetime) -> Match:
    return Match(condition=None)


#: Suggested spans.
SPANS = ("1h", "24h", "7d", "30d")

_ALL = [
    Word(
        name="state",
        title=gettext_lazy("state"),
        example="failed",
        match=_state,
        suggested=lambda: STATES,
    ),
    Word(name="actor", title=gettext_lazy("actor"), example="process_document", match=_actor, suggested=_actors),
    Word(name="queue", title=gettext_lazy("queue"), example="default", match=_queue, suggested=_queues),
    Word(name="owner", title=gettext_lazy("owner"), example="jane", match=_owner),
    Word(name="about", title=gettext_lazy("about"), example="document/7", match=_about),
    Word(name="error", title=gettext_lazy("error"), example="MailRefusedError", match=_error),
    Word(name="finished", title=gettext_lazy("ended"), example="1h", match=_finished, suggested=lambda: SPANS),
    Word(name="sent", title=gettext_lazy("sent"), example="3h", match=_sent, suggested=lambda: SPANS),
    Word(name="args", title=gettext_lazy("any argument"), example="3", match=_any_argument),
    Word(name="priority", title=gettext_lazy("priority"), example="10", match=_priority),
    Word(name="worker", title=gettext_lazy("worker"), example="web-1:4121", match=_worker),
    Word(name="schedule", title=gettext_lazy("schedule"), example="weekly mail", match=_schedule),
    Word(name="group", title=gettext_lazy("group"), example="8f2c", match=_group),
    Word(name="cause", title=gettext_lazy("cause"), example="1f0c3a99d2b4e857", match=_cause),
    Word(name="id", title=gettext_lazy("task id"), example="2ad60f39-...", match=_id),
]
if has_versions():
    _ALL.append(Word(name="version", title=gettext_lazy("code version"), example="1f0c3a9", match=_version))

WORDS: dict[str, Word] = {word.name: word for word in _ALL}


def match(name: str, value: str, *, now: datetime) -> Match:
    """Return what a word with its value finds.

    Raises:
      SearchError: There is no such word, or the value is not one of its values.
    """
    if name[: len(ARGUMENT)].lower() == ARGUMENT and len(name) > len(ARGUMENT):
        return argument(name[len(ARGUMENT) :], value)
    word = WORDS.get(name.lower())
    if word is None:
        message = _("Unknown word %(value)s, must be one of: %(valid)s. A text with a colon goes in quotes")
        raise unknown(message, name, [*WORDS, "arg.NAME"])
    return word.match(value, now)
