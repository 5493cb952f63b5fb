"""Actors of the task system itself: the news of alerts."""

from typing import Any

import dramatiq

from apps.core.mail import MailRefusedError
from apps.tasks.alerts.webhook import WebhookRefusedError
from apps.tasks.conf import conf

MINUTE_MS = 60_000
#: Queue of these actors. A project may have declared other ones.
QUEUE = "default" if not conf.TASK_QUEUES or "default" in conf.TASK_QUEUES else next(iter(conf.TASK_QUEUES))


@dramatiq.actor(
    actor_name="tasks.mail_alert",
    queue_name=QUEUE,
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
    queue_name=QUEUE,
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
