"""Actors of the task system itself: the news of alerts, and actions of operators on very many tasks."""

from collections.abc import Iterable
from typing import Any

import dramatiq
from django.db import transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apps.core.mail import MailRefusedError
from apps.tasks import actions, audit, own_queue, progress
from apps.tasks.alerts.webhook import WebhookRefusedError
from apps.tasks.audit import By
from apps.tasks.models import AuditEntry

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


@dramatiq.actor(
    actor_name="tasks.mail_alert",
    queue_name=own_queue.USUAL,
    # About two hours for a mail server that is down.
    max_retries=8,
    time_limit=2 * MINUTE_MS,
    idempotent=True,
    min_backoff=MINUTE_MS // 2,
    max_backoff=30 * MINUTE_MS,
    related_to="tasks.Alert",
    throws=(MailRefusedError,),
)
def mail_alert(alert_id: int, event: str) -> dict[str, Any]:
    """Mail that an alert started or ended. News that nobody needs any more is left out."""
    from apps.tasks.alerts import delivery

    return {"note": delivery.mail(alert_id, event)}


@dramatiq.actor(
    actor_name="tasks.post_alert",
    queue_name=own_queue.USUAL,
    max_retries=8,
    time_limit=2 * MINUTE_MS,
    idempotent=True,
    min_backoff=MINUTE_MS // 2,
    max_backoff=30 * MINUTE_MS,
    related_to="tasks.Alert",
    throws=(WebhookRefusedError,),
)
def post_alert(alert_id: int, event: str) -> dict[str, Any]:
    """Post that an alert started or ended to the webhook. News that nobody needs any more is left out."""
    from apps.tasks.alerts import delivery

    return {"note": delivery.post(alert_id, event)}


@dramatiq.actor(
    actor_name=actions.ACTOR,
    queue_name=own_queue.USUAL,
    priority=-1,
    time_limit=DAY_MS,
    idempotent=True,
    max_retries=3,
    store_results=True,
)
def act_on_all(entry_id: int) -> str:
    """Carry out a planned action on many tasks, and say how many it changed.

    It goes on after the last page that is settled, so it may die, be retried or be cancelled at any time.

    Parameters:
      entry_id: Primary key of its entry in the audit, which has the tasks.
    """
    entry = AuditEntry.objects.get(pk=entry_id)
    done = entry.total - sum(entry.pages.filter(change="").values_list("number", flat=True))
    while True:
        progress.set(100 * done / max(entry.total, 1), _told(entry, done))
        with progress.shielded():
            if not actions.go_on(entry):
                break
        done = min(done + audit.ROWS, entry.total)
    return _told(entry, entry.total)


def start(action: actions.Action, row_ids: Iterable[int], *, by: By, **meant: Any) -> str:
    """Send the task that acts on very many tasks, those that `actions.plan` keeps. Return its id."""
    with transaction.atomic():
        entry = actions.plan(action, row_ids, by=by, **meant)
        message = own_queue.send(act_on_all, entry.pk, owner_id=by.user_id)
        AuditEntry.objects.filter(pk=entry.pk).update(task_id=message.message_id)
    return str(message.message_id)


def _told(entry: AuditEntry, done: int) -> str:
    text = _("%(action)s: %(number)s tasks, %(done)s of %(total)s looked at")
    numbers = {"number": entry.number, "done": done, "total": entry.total}
    shown = {name: number_format(number, force_grouping=True) for name, number in numbers.items()}
    return text % {"action": audit.VERBS[entry.verb], **shown}
