"""Tests of mails and posts of a rule."""

from django.db import transaction
from django.utils.translation import gettext as _

from apps.tasks.alerts import sending, telling
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import Alert, AlertRule
from apps.tasks.one_line import one_line


def send(rule: AlertRule) -> list[str]:
    """Send a test to the addresses of a rule. Return the channels: none without an address.

    It is an alert that has ended, so that its page shows the tasks and what became of them.
    """
    channels = sending.channels_of(rule)
    if not channels:
        return []
    now = ClockTimestamp()
    sentence = _("This is a test of the rule %(rule)s. Nothing is wrong.") % {"rule": rule.name}
    with transaction.atomic():
        alert = Alert.objects.create(
            rule=rule, kind=rule.kind, scope="", sentence=one_line(sentence),
            noticed_at=now, checked_at=now, started_at=now, ended_at=now,
        )  # fmt: skip
        sending.send(alert, telling.TEST)
    return list(channels.values())
