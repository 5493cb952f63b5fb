"""Delivery of the news of one alert, once for its start and once for its end, each by mail and by webhook.

A worker delivers: the tasks of `apps.tasks.tasks`. While no worker can, the relay that started an alert does.
"""

import logging
from collections.abc import Callable

from apps.tasks.alerts import telling
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import Alert
from apps.tasks.one_line import one_line

logger = logging.getLogger(__name__)

#: Column with the time of the delivery of the start, and the function that delivers, by channel.
CHANNELS: dict[str, tuple[str, Callable[[Alert, str], bool]]] = {
    "mail": ("mailed_at", telling.mail),
    "webhook": ("posted_at", telling.post),
}


def mail(alert_id: int, event: str) -> str:
    return deliver(alert_id, event, channel="mail")


def post(alert_id: int, event: str) -> str:
    return deliver(alert_id, event, channel="webhook")


def deliver(alert_id: int, event: str, *, channel: str) -> str:
    """Tell an event of an alert, and return what became of it in words.

    After a time without a worker old starts are left out, and so is the end of an alert whose start was not told.
    """
    column, tell = CHANNELS[channel]
    alert = Alert.objects.select_related("rule").filter(pk=alert_id).first()
    if alert is None:
        return f"The alert {alert_id} is gone."
    is_told = getattr(alert, column) is not None
    if event == telling.STARTED and is_told:
        return "It was told already."
    if event == telling.STARTED and alert.ended_at is not None:
        return "It has ended before it could be told."
    if event == telling.ENDED and not is_told:
        return "Its start was not told."
    if not tell(alert, event):
        return "There is no address to tell."
    if event == telling.STARTED:
        Alert.objects.filter(pk=alert_id).update(**{column: ClockTimestamp(), "updated_at": ClockTimestamp()})
    return "Told."


def deliver_at_once(alert_ids: list[int]) -> None:
    """Tell the start of alerts, without a task. A channel that fails is left to the task that was recorded for it."""
    for alert_id in alert_ids:
        for channel in CHANNELS:
            try:
                deliver(alert_id, telling.STARTED, channel=channel)
            except Exception as error:
                reason = one_line(f"{type(error).__name__}: {error}", 200)
                logger.warning("alert not told by the relay alert=%s channel=%s error=%s", alert_id, channel, reason)
