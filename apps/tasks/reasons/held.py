"""Reasons about a task that a worker holds."""

from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from apps.tasks import states
from apps.tasks.conf import conf
from apps.tasks.reasons import words
from apps.tasks.reasons.facts import Facts
from apps.tasks.reasons.reason import Page, Reason

#: Time that the code of a task has to heed a cancellation.
PATIENCE = timedelta(seconds=5)
THREADS = ngettext_lazy("its %(count)s thread is busy", "its %(count)s threads are busy", "number")


def of(facts: Facts) -> Reason | None:
    if facts.task.status != states.PROCESSING:
        return None
    return _lost(facts) or _cancelled(facts) or _unstarted(facts) or _running(facts)


def _lost(facts: Facts) -> Reason | None:
    """Return that the process that holds it is dead or silent."""
    holder = facts.holder
    silent = None if holder is None else facts.now - holder.beat_at
    longest = timedelta(seconds=conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS)
    if holder is not None and holder.stopped_at is None and silent is not None and silent <= longest:
        return None
    if holder is None or silent is None:
        text = _("The worker that holds it is gone")
    elif holder.stopped_at is not None:
        text = _("Its worker %(worker)s has ended") % {"worker": holder}
    else:
        text = _("Its worker %(worker)s is silent for %(time)s") % {"worker": holder, "time": words.lasting(silent)}
    if facts.has_relay:
        return Reason(
            kind="lost",
            text=_("%(trouble)s: a relay takes the task back.") % {"trouble": text},
            owner_text=_("It was interrupted. It will be tried again soon."),
            page=Page("processes") if holder is None else Page("worker", holder.pk),
        )
    return Reason(
        kind="lost",
        text=_("%(trouble)s, and no relay lives that takes the task back.") % {"trouble": text},
        remedy=_("Start %(command)s.") % {"command": "manage.py runrelay"},
        owner_text=_("It was interrupted. It will be tried again soon."),
        page=Page("processes"),
        is_trouble=True,
    )


def _cancelled(facts: Facts) -> Reason | None:
    requested_at = facts.task.cancel_requested_at
    if requested_at is None:
        return None
    since = facts.now - requested_at
    text, remedy = _("Its cancellation was requested %(time)s ago. It does not start."), ""
    if facts.task.started_at is not None and since < PATIENCE:
        text = _("Its cancellation was requested %(time)s ago. Its worker interrupts it.")
    elif facts.task.started_at is not None:
        text = _("Its cancellation was requested %(time)s ago, and its code has not heeded that.")
        remedy = _("Code outside of Python, such as a library in C, returns first. Its stack shows where it is.")
    return Reason(
        kind="cancel",
        text=text % {"time": words.lasting(since)},
        remedy=remedy,
        owner_text=_("Stopping"),
        page=_worker(facts),
    )


def _unstarted(facts: Facts) -> Reason | None:
    if facts.task.started_at is not None:
        return None
    holder = facts.holder
    text = _("The worker %(worker)s holds it and has not started it") % {"worker": holder}
    if holder is not None and holder.busy_threads >= holder.threads:
        text += ": " + words.counted(THREADS, holder.threads)
    return Reason(kind="held", text=text + ".", owner_text=_("Waiting for its turn: it is next."), page=_worker(facts))


def _running(facts: Facts) -> Reason:
    task = facts.task
    assert task.started_at is not None, "those that have not started were told before"
    text = _("It runs for %(time)s on %(worker)s.")
    return Reason(
        kind="running",
        text=text % {"time": words.lasting(facts.now - task.started_at), "worker": facts.holder},
        owner_text=task.progress_text or _("Beginning"),
        page=_worker(facts),
    )


def _worker(facts: Facts) -> Page | None:
    return None if facts.holder is None else Page("worker", facts.holder.pk)
