"""The tasks that tell an event of an alert are sent here, in the caller's transaction."""

import dramatiq
from django.utils.translation import gettext as _

from apps.tasks import own_queue
from apps.tasks.alerts import telling
from apps.tasks.alerts.facts import TELLING
from apps.tasks.models import Alert, AlertRule


def channels_of(rule: AlertRule | None) -> dict[str, str]:
    """Return the names of the actors that tell alerts of a rule, with the words for them. None: without an address."""
    mail, post = TELLING
    found = {mail: _("mail")} if telling.recipients(rule) else {}
    return {**found, post: _("webhook")} if telling.webhook_of(rule) else found


def send(alert: Alert, event: str) -> None:
    """Record the tasks that tell an event.

    The actors are found by their names. The admin imports this module before the broker can declare any.
    """
    for name in channels_of(alert.rule):
        own_queue.send(dramatiq.get_broker().get_actor(name), alert.pk, event)
