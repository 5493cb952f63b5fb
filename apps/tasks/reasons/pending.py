"""Reasons for which a pending task waits, the first that applies."""

from collections.abc import Callable
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from apps.tasks import failures, masking, states
from apps.tasks.models import Pause, WorkerProcess
from apps.tasks.reasons import words
from apps.tasks.reasons.facts import Facts
from apps.tasks.reasons.reason import Page, Reason

STATES = (states.PENDING,)
#: Time that a due task usually takes to reach a worker, at most.
SOON = timedelta(seconds=10)

START = {
    "worker": "manage.py runworker",
    "queue": "manage.py runworker --queues %(name)s",
    "relay": "manage.py runrelay",
    "scheduler": "manage.py runscheduler",
}
BEFORE = ngettext_lazy("%(count)s task is before it", "%(count)s tasks are before it", "number")
PLACES = ngettext_lazy(
    "%(used)s of its %(count)s place is taken", "%(used)s of its %(count)s places are taken", "number"
)
THREADS = ngettext_lazy("The %(count)s thread", "All %(count)s threads", "number")
SUSPECTS = ngettext_lazy("%(count)s such task runs now", "%(count)s such tasks run now", "number")


def expired(facts: Facts) -> Reason | None:
    if facts.task.expires_at is None or facts.task.expires_at > facts.now:
        return None
    text = _("It had to start before %(time)s: a relay fails it.") % {"time": words.at(facts.task.expires_at)}
    return Reason(
        kind="expired",
        text=text,
        remedy="" if facts.has_relay else _no_relay(),
        owner_text=_("It was not started in time."),
        page=None if facts.has_relay else Page("processes"),
        is_trouble=not facts.has_relay,
    )


def held(facts: Facts) -> Reason | None:
    """Return that its schedule waits for the previous run. Its time is far away, whatever the schedule is."""
    if facts.waited > timedelta() or (slot := facts.holding_slot) is None:
        return None
    return Reason(
        kind="schedule",
        text=_("It waits for the previous run of its schedule %(name)s.") % {"name": slot.schedule.name},
        remedy=""
        if facts.has_scheduler
        else _("No scheduler lives: start %(command)s.") % {"command": START["scheduler"]},
        owner_text=_("Waiting for the run before it."),
        page=Page("schedule", slot.schedule.pk),
        is_trouble=not facts.has_scheduler,
    )


def unknown(facts: Facts) -> Reason | None:
    """Return that no worker can take it: none knows its actor, its queue or its arguments."""
    task = facts.task
    if task.unknown_since is None:
        return None
    text = _("No worker can take it since %(time)s: %(error)s.")
    return Reason(
        kind="unknown",
        text=text % {"time": words.at(task.unknown_since), "error": words.cut(task.error_message)},
        remedy=_("Start workers with code that can, or cancel it. It fails after 10 minutes."),
        owner_text=_("Waiting: the site is being updated."),
        page=Page("processes"),
        is_trouble=True,
    )


def paused(facts: Facts) -> Reason | None:
    pause = facts.pause
    if pause is None:
        return None
    if pause.kind == Pause.KIND_QUEUE:
        text, remedy = _("Its queue %(name)s is paused since %(time)s"), _("Resume the queue.")
    else:
        text, remedy = _("Its actor %(name)s is paused since %(time)s"), _("Resume the actor.")
    text %= {"name": pause.name, "time": words.at(pause.since)}
    text += _(", by %(user)s") % {"user": pause.by} if pause.by else ""
    return Reason(
        kind="paused",
        text=text + (f": {words.cut(pause.why)}." if pause.why else "."),
        remedy=remedy,
        owner_text=_("Waiting: this kind of work is paused at the moment."),
        page=Page("queues") if pause.kind == Pause.KIND_QUEUE else Page("actor", pause.name),
        is_trouble=True,
    )


def not_due(facts: Facts) -> Reason | None:
    task = facts.task
    if facts.waited >= timedelta():
        return None
    values = {"time": words.at(task.run_at), "wait": words.lasting(-facts.waited)}
    is_retry = bool(task.retries and (task.error_message or task.error_type))
    if is_retry:
        most = facts.max_retries
        values["number"] = words.count(task.retries) if most is None else _("%(number)s of %(most)s") % {
            "number": words.count(task.retries), "most": words.count(most)
        }  # fmt: skip
        values["error"] = words.cut(failures.in_words(task.error_type, task.error_message))
        text = _("Its automatic retry %(number)s is due at %(time)s, in %(wait)s, after %(error)s.")
        owner_text = _("It did not work. It will be tried again in %(wait)s.")
    elif task.snoozes:
        text = _("It put itself off until %(time)s, in %(wait)s.")
        owner_text = _("Waiting: it starts in %(wait)s.")
    else:
        text = _("It is not due until %(time)s, in %(wait)s.")
        owner_text = _("Waiting: it starts in %(wait)s.")
    return Reason(
        kind="retry" if is_retry else "snooze" if task.snoozes else "delay",
        text=text % values,
        remedy="" if facts.has_relay else _no_relay(),
        owner_text=owner_text % values,
        page=None if facts.has_relay else Page("processes"),
        is_trouble=not facts.has_relay,
    )


def server(facts: Facts) -> Reason | None:
    if facts.server_error is None:
        return None
    name, error = facts.server_error
    return Reason(
        kind="server",
        text=_("%(server)s does not answer (%(error)s), so no task is handed out.")
        % {"server": name, "error": type(error).__name__},
        remedy=_("Start it. Nothing is lost: the relay publishes what waits."),
        owner_text=_no_one(),
        is_trouble=True,
    )


def limit(facts: Facts) -> Reason | None:
    task = facts.task
    if not task.in_line:
        return None
    page = None if facts.limit is None else Page("limit", facts.limit.pk)
    if facts.limit is not None and facts.limit.concurrency == 0:
        return Reason(
            kind="limit",
            text=_("The limit of its actor is 0: none of its tasks starts."),
            remedy=_("Raise the limit."),
            owner_text=_("Waiting: this kind of work is paused at the moment."),
            page=page,
            is_trouble=True,
        )
    if not facts.has_relay:
        return Reason(
            kind="no_relay",
            text=_("It waits for a place of its limit, and no relay lives that gives it one."),
            remedy=_("Start %(command)s.") % {"command": START["relay"]},
            owner_text=_no_one(),
            page=Page("processes"),
            is_trouble=True,
        )
    use, before = facts.limit_use, facts.before_in_line
    parts = [_("It waits for a place of its limit")]
    if task.line:
        parts = [
            _("It waits for a place of its limit for %(key)s") % {"key": words.cut(masking.shown_line(task) or "")}
        ]
    most = None if facts.limit is None else facts.limit.concurrency
    if most is not None and use.used + task.weight > most:
        parts.append(words.counted(PLACES, most, used=words.count(use.used)))
    elif use.rate is not None and use.started + task.weight > use.rate.tasks:
        parts.append(
            _("%(count)s started within the last %(time)s, as many as it allows")
            % {"count": words.count(use.started), "time": words.lasting(timedelta(milliseconds=use.rate.window_ms))}
        )
    parts.append(words.counted(BEFORE, before.number, is_capped=before.is_capped) if before.number else _("it is next"))
    return Reason(
        kind="limit", text=", ".join(parts) + ".", owner_text=_turn(before.number, before.is_capped), page=page
    )


def relay(facts: Facts) -> Reason | None:
    """Return that no relay lives to hand it out: its delay has passed."""
    if not facts.task.delayed or facts.has_relay:
        return None
    return Reason(
        kind="no_relay",
        text=_("It has been due for %(time)s, and no relay lives that hands it out.")
        % {"time": words.lasting(facts.waited)},
        remedy=_("Start %(command)s.") % {"command": START["relay"]},
        owner_text=_no_one(),
        page=Page("processes"),
        is_trouble=True,
    )


def worker(facts: Facts) -> Reason | None:
    if facts.queue_takers:
        return None
    name = facts.task.queue_name
    if facts.queue_workers:
        return Reason(
            kind="no_worker",
            text=_("All workers of its queue %(name)s are quiet or stop: they take nothing new.") % {"name": name},
            remedy=_("Let one work again, or start another."),
            owner_text=_no_one(),
            page=Page("processes"),
            is_trouble=True,
        )
    text = _("No living worker takes its queue %(name)s.") if facts.workers else _("No worker lives.")
    command = START["queue"] % {"name": name} if facts.workers else START["worker"]
    return Reason(
        kind="no_worker",
        text=text % {"name": name},
        remedy=_("Start %(command)s.") % {"command": command},
        owner_text=_no_one(),
        page=Page("processes"),
        is_trouble=True,
    )


def stalled(facts: Facts) -> Reason | None:
    if len(facts.idle_takers) < len(facts.queue_takers):
        return None
    first = facts.idle_takers[0]
    trouble = WorkerProcess.TROUBLES.get(first.trouble)
    text = _("Its worker %(worker)s lives and takes nothing.")
    if len(facts.queue_takers) > 1:
        text = _("The workers of its queue live and take nothing, such as %(worker)s.")
    return Reason(
        kind="stalled",
        text=text % {"worker": first} + (f" {trouble}." if trouble else ""),
        remedy=_("Look at its log, then stop it with SIGTERM: its supervisor starts another."),
        owner_text=_no_one(),
        page=Page("worker", first.pk),
        is_trouble=True,
    )


def suspect(facts: Facts) -> Reason | None:
    if not facts.task.crashes:
        return None
    text = _("A worker died while it held the task, so that such tasks run by turns")
    text += (": " + words.counted(SUSPECTS, facts.suspects) if facts.suspects else _(", and it is next")) + "."
    return Reason(
        kind="suspect",
        text=text,
        owner_text=_("It was interrupted. It will be tried again soon."),
        page=Page("tasks", "suspects") if facts.suspects else None,
    )


def busy(facts: Facts) -> Reason | None:
    if any(one.busy_threads < one.threads for one in facts.queue_takers):
        return None
    threads = sum(one.threads for one in facts.queue_takers)
    text = _("%(threads)s of the workers on its queue are busy")
    if threads == 1:
        text = _("%(threads)s of the worker on its queue is busy")
    text %= {"threads": words.counted(THREADS, threads)}
    before = facts.before
    place = words.counted(BEFORE, before.number, is_capped=before.is_capped) if before.number else _("it is next")
    return Reason(
        kind="busy",
        text=f"{text}, {place}.",
        remedy=_("Wait, or start more workers."),
        owner_text=_turn(before.number, before.is_capped),
        page=Page("queue", facts.task.queue_name),
    )


def behind(facts: Facts) -> Reason | None:
    before = facts.before
    if not before.number:
        return None
    text = words.counted(BEFORE, before.number, is_capped=before.is_capped)
    return Reason(
        kind="behind",
        text=_("%(tasks)s on its queue %(name)s.") % {"tasks": text, "name": facts.task.queue_name},
        owner_text=_turn(before.number, before.is_capped),
        page=Page("queue", facts.task.queue_name),
    )


def due(facts: Facts) -> Reason:
    """Return that it is due and nothing is known that holds it up."""
    is_late = facts.waited > SOON
    if is_late and not facts.has_relay:
        return Reason(
            kind="no_relay",
            text=_("It has been due for %(time)s. If Redis lost its message, only a relay publishes it again.")
            % {"time": words.lasting(facts.waited)},
            remedy=_no_relay(),
            owner_text=_turn(0, False),
            page=Page("processes"),
            is_trouble=True,
        )
    if is_late:
        return Reason(
            kind="late",
            text=_("It has been due for %(time)s, although workers of its queue have free threads.")
            % {"time": words.lasting(facts.waited)},
            remedy=_("Look at their log and at that of the relay."),
            owner_text=_turn(0, False),
            page=Page("processes"),
        )
    return Reason(kind="next", text=_("A worker takes it within a moment."), owner_text=_turn(0, False))


#: All but the last one, `due`, which applies to any task.
PARTS: tuple[Callable[[Facts], Reason | None], ...] = (
    expired, held, paused, unknown, not_due, server, limit, relay, worker, stalled, suspect, busy, behind,
)  # fmt: skip


def _no_relay() -> str:
    return _("No relay lives, so start %(command)s.") % {"command": START["relay"]}


def _no_one() -> str:
    return _("Waiting: no tasks are being worked on at the moment. Nothing is lost, and this goes on by itself.")


def _turn(number: int, is_capped: bool) -> str:
    if not number:
        return _("Waiting for its turn: it is next.")
    return _("Waiting for its turn: %(tasks)s.") % {"tasks": words.counted(BEFORE, number, is_capped=is_capped)}
