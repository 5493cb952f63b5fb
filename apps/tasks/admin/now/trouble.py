"""Trouble: what keeps tasks from running now, in sentences that say what to do."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import dramatiq
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.tasks import health, pauses, presence, stalls
from apps.tasks.admin import duration, elements
from apps.tasks.admin.schedule import state
from apps.tasks.limits import figures as limit_figures
from apps.tasks.models import Limit, Schedule, WorkerProcess
from apps.tasks.statements import lines

#: Pending tasks that are read from either end of the queues.
SAMPLE = 500
#: Seconds that a due task may wait before that is trouble.
LONG_SECONDS = 60
#: Schedules, workers and limits of which each has a sentence of its own, at most.
MOST = 5


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A sentence about what is wrong, and one that says what to do.

    Parameters:
      href: Page that shows it. Empty: there is none.
      nameless: What is said to a user who may not see that page. Empty: all of it, without the link.
    """

    text: str
    remedy: str = ""
    href: str = ""
    nameless: str = ""


@dataclass(kw_only=True)
class Look:
    """Facts from which trouble is told.

    Parameters:
      processes: Those that beat, as rows of `with_idle_time`.
      schedules: All schedules.
    """

    processes: Sequence[WorkerProcess]
    schedules: Sequence[Schedule]
    needs_scheduler: bool = False
    oldest: dict[str, float] = field(default_factory=dict)
    untaken: dict[str, float] = field(default_factory=dict)
    paused: pauses.Paused = field(default_factory=pauses.Paused)

    @classmethod
    def now(cls) -> "Look":
        oldest, untaken = health.oldest_due(sample=SAMPLE)
        return cls(
            processes=list(WorkerProcess.objects.beating().with_idle_time()),
            schedules=list(Schedule.objects.order_by("next_at")),
            needs_scheduler=health.needs_scheduler(),
            oldest=oldest,
            untaken=untaken,
            paused=pauses.read(),
        )

    def of_kind(self, kind: str) -> list[WorkerProcess]:
        return [process for process in self.processes if process.kind == kind]

    @property
    def workers(self) -> list[WorkerProcess]:
        return self.of_kind(WorkerProcess.KIND_WORKER)

    @property
    def takers(self) -> list[WorkerProcess]:
        """Return the workers that take tasks: those that no operator asked to take nothing new."""
        return [worker for worker in self.workers if not worker.wanted]

    @property
    def has_free_thread(self) -> bool:
        return any(worker.busy_threads < worker.threads for worker in self.takers)


def of(look: Look) -> list[Trouble]:
    """Return the trouble, the worst first."""
    return [one for part in PARTS for one in part(look)]


def seen(found: Iterable[Trouble], *, closed: tuple[str, ...]) -> list[Trouble]:
    """Return the trouble as a user sees it. Names of what the user may not see are left out.

    Parameters:
      closed: Starts of the addresses that the user may not open.
    """
    shown: dict[Trouble, None] = {}
    for one in found:
        if one.href.startswith(closed):
            one = Trouble(text=one.nameless) if one.nameless else replace(one, href="")
        shown[one] = None
    return list(shown)


def servers(look: Look) -> Iterator[Trouble]:
    for name, error_of in health.servers.items():
        if (error := error_of()) is not None:
            yield Trouble(
                text=_("%(server)s does not answer (%(error)s): tasks are recorded and wait.")
                % {"server": name, "error": type(error).__name__},
                remedy=_("Start it. Nothing is lost: the relay publishes what waits."),
            )


def processes(look: Look) -> Iterator[Trouble]:
    """Yield the kinds of processes that are needed and do not live."""
    href = reverse("admin:tasks_workerprocess_changelist")
    has_relay = bool(look.of_kind(WorkerProcess.KIND_RELAY))
    if not look.workers:
        yield Trouble(
            text=_("No worker lives: tasks wait.") if has_relay else _("No worker and no relay live: tasks wait."),
            remedy=_("Start %(command)s.") % {"command": "manage.py runworker"},
            href=href,
        )
    elif not has_relay:
        yield Trouble(
            text=_("No relay lives: delayed tasks, automatic retries and limited tasks wait."),
            remedy=_("Start %(command)s.") % {"command": "manage.py runrelay"},
            href=href,
        )
    if look.needs_scheduler and not look.of_kind(WorkerProcess.KIND_SCHEDULER):
        yield Trouble(
            text=_("No scheduler lives: schedules send nothing."),
            remedy=_("Start %(command)s.") % {"command": "manage.py runscheduler"},
            href=href,
        )


def queues(look: Look) -> Iterator[Trouble]:
    """Yield the queues that no worker takes, and those whose tasks wait for long."""
    if not look.workers:
        return
    known = dramatiq.get_broker().get_declared_queues()
    taken = presence.taken_by(look.takers, known)
    if not look.takers:
        text = _("All workers are quiet: they finish what they have, and all other tasks wait.")
        remedy = _("Let one work again, or start another.")
        yield Trouble(text=text, remedy=remedy, href=reverse("admin:tasks_workerprocess_changelist"))
        return
    for name in sorted({*known, *look.oldest} - taken - look.paused.queues.keys()):
        waited = look.oldest.get(name)
        text = _("No living worker takes the queue %(name)s.") % {"name": name}
        if waited is not None:
            text += " " + _("Its oldest task has waited for %(time)s.") % {"time": _words(waited)}
        command = f"manage.py runworker --queues {name}"
        yield Trouble(text=text, remedy=_("Start %(command)s.") % {"command": command}, href=_waiting(name))
    for name, waited in sorted(look.oldest.items()):
        if name in taken and name not in look.paused.queues and waited >= LONG_SECONDS:
            text = _("The oldest task of the queue %(name)s has waited for %(time)s.")
            yield Trouble(
                text=text % {"name": name, "time": _words(waited)},
                remedy=(
                    _("Its workers have free threads: look at their log.")
                    if look.has_free_thread
                    else _("All threads are busy: wait, or start more workers.")
                ),
                href=_waiting(name),
            )


def paused(look: Look) -> Iterator[Trouble]:
    """Yield the pauses: one that is forgotten keeps its tasks for ever."""
    for kind, found in ((pauses.QUEUE, look.paused.queues), (pauses.ACTOR, look.paused.actors)):
        for pause in list(found.values())[:MOST]:
            page = "queues" if kind == pauses.QUEUE else "actors"
            texts = {pauses.QUEUE: _("The queue %(pause)s"), pauses.ACTOR: _("The actor %(pause)s")}
            waited = look.oldest.get(pause.name) if kind == pauses.QUEUE else None
            remedy = _("Its tasks wait until it is resumed.")
            if waited is not None:
                remedy = _("Its oldest task has waited for %(time)s.") % {"time": _words(waited)} + " " + remedy
            yield Trouble(
                text=texts[kind] % {"pause": elements.pause_text(pause)},
                remedy=remedy,
                href=reverse(f"admin:tasks_pause_{page}"),
            )


def stalled(look: Look) -> Iterator[Trouble]:
    """Yield the workers that live and take nothing."""
    known = dramatiq.get_broker().get_declared_queues()
    found = stalls.stalled(look.workers, look.untaken, known=known, paused=look.paused.queues)
    for worker in found[:MOST]:
        why = WorkerProcess.TROUBLES.get(worker.trouble)
        text = _("The worker %(worker)s lives and takes nothing.") % {"worker": worker}
        yield Trouble(
            text=f"{text} {why}." if why else text,
            remedy=_("Look at its log, then stop it with SIGTERM: its supervisor starts another."),
            href=reverse("admin:tasks_workerprocess_change", args=[worker.pk]),
            nameless=_("A worker lives and takes nothing."),
        )


def schedules(look: Look) -> Iterator[Trouble]:
    """Yield the schedules that are broken or late."""
    has_scheduler = bool(look.of_kind(WorkerProcess.KIND_SCHEDULER))
    found = 0
    for schedule in look.schedules:
        is_late = has_scheduler and state.of(schedule) == state.LATE
        if found < MOST and (is_late or state.of(schedule) == state.BROKEN):
            found += 1
            texts = {True: _("The schedule %(name)s is late."), False: _("The schedule %(name)s is broken.")}
            yield Trouble(
                text=texts[is_late] % {"name": schedule.name},
                remedy=state.complaint(schedule),
                href=reverse("admin:tasks_schedule_change", args=[schedule.pk]),
                nameless=_("A schedule is late.") if is_late else _("A schedule is broken."),
            )


def limits(look: Look) -> Iterator[Trouble]:
    """Yield the limits that let no task start, although tasks wait for them."""
    names = lines.actors()
    if not names:
        return
    for limit in Limit.objects.filter(task_name__in=names, concurrency=0)[:MOST]:
        waiting = limit_figures.of(limit).waiting
        yield Trouble(
            text=_("The limit of %(actor)s is 0: %(count)s of its tasks wait.")
            % {"actor": limit.task_name, "count": elements.number(waiting)},
            remedy=_("Raise its limit to let them start."),
            href=reverse("admin:tasks_limit_change", args=[limit.pk]),
            nameless=_("A limit lets no task start, and some wait for it."),
        )


PARTS = (servers, processes, stalled, queues, paused, schedules, limits)


def _words(seconds: float) -> str:
    return duration.in_words(timedelta(seconds=seconds))


def _waiting(queue_name: str) -> Any:
    return reverse("admin:tasks_taskstatus_changelist", query={"status__exact": "pending", "queue": queue_name})
