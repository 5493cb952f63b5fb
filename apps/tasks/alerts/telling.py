"""News of alerts, as a mail and as JSON. Each is sent by a task of its own: see `apps.tasks.tasks`."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core import mail as core_mail
from apps.tasks import duration
from apps.tasks.alerts import addresses, places, webhook
from apps.tasks.alerts.conditions import value_in_words
from apps.tasks.conf import conf
from apps.tasks.models import Alert, AlertRule
from apps.tasks.one_line import one_line

#: Events of an alert, and of a test.
STARTED, ENDED, TEST = "started", "ended", "test"
#: Characters of a subject.
SUBJECT_LENGTH = 150


def recipients(rule: AlertRule | None) -> list[str]:
    """Return the addresses that alerts of a rule are mailed to: its own, those of the setting, or those of ADMINS."""
    if rule is not None and rule.mail_to:
        return addresses.split(rule.mail_to)
    if conf.TASK_ALERT_EMAILS:
        return list(conf.TASK_ALERT_EMAILS)
    return [one if isinstance(one, str) else one[1] for one in settings.ADMINS]


def webhook_of(rule: AlertRule | None) -> str:
    """Return the address that alerts of a rule are posted to. Empty: to none."""
    return (rule.webhook if rule is not None else "") or conf.TASK_ALERT_WEBHOOK


# --- Mail ---


def mail(alert: Alert, event: str) -> bool:
    """Mail an event of an alert. Return whether there was an address.

    Raises:
      MailRefusedError: The mail server refused it for good.
      OSError: The mail server did not take it; try again later.
    """
    to = recipients(alert.rule)
    if not to:
        return False
    return core_mail.send(EmailMessage(subject(alert, event), text(alert, event), to=to))


def subject(alert: Alert, event: str) -> str:
    head = {STARTED: _("Alert"), ENDED: _("Ended"), TEST: _("Test")}[event]
    return one_line(f"{settings.EMAIL_SUBJECT_PREFIX}{head}: {alert.sentence}", SUBJECT_LENGTH)


def text(alert: Alert, event: str) -> str:
    """Return the body of the mail: what is wrong, what to do, since when, and where to look."""
    lines = [one_line(alert.sentence)]
    if event == ENDED:
        lines.append(_("It ended after %(time)s.") % {"time": _lasted(alert)})
    elif alert.remedy:
        lines.append(one_line(alert.remedy))
    facts = [
        (_("Rule"), alert.rule.name if alert.rule is not None else ""),
        (_("Since"), _time(alert.noticed_at)),
        (_("Ended"), _time(alert.ended_at) if event == ENDED else ""),
        (_("Value"), value_in_words(alert.unit, alert.value) if event == STARTED else ""),
        (_("Worst"), value_in_words(alert.unit, alert.worst) if event == ENDED else ""),
        (_("Alert"), _link(places.alert(alert.pk)) if alert.pk else ""),
        (_("See"), _link(places.of(alert.kind, alert.scope))),
        (_("Runbook"), places.runbook(alert.kind)),
    ]
    width = max(len(str(name)) for name, _value in facts) + 2
    table = [f"{name + ':':<{width}}{one_line(value)}" for name, value in facts if value]
    return "\n".join([*lines, "", *table, ""])


# --- Webhook ---


def post(alert: Alert, event: str) -> bool:
    """Post an event of an alert to the webhook. Return whether there is one.

    Raises:
      WebhookRefusedError: The webhook cannot be posted to, or refuses it for good.
      WebhookError, OSError: Try again later.
    """
    url = webhook_of(alert.rule)
    if not url:
        return False
    webhook.post(url, payload(alert, event))
    return True


def payload(alert: Alert, event: str) -> dict[str, Any]:
    """Return what is posted. Slack, Mattermost and others show `text` and leave the rest."""
    sentence = one_line(alert.sentence)
    head = {STARTED: _("Alert"), ENDED: _("Ended"), TEST: _("Test")}[event]
    return {
        "event": event,
        "alert": alert.pk,
        "rule": one_line(alert.rule.name) if alert.rule is not None else None,
        "kind": alert.kind,
        "scope": one_line(alert.scope),
        "sentence": sentence,
        "remedy": one_line(alert.remedy),
        "value": alert.value,
        "worst": alert.worst,
        "unit": alert.unit,
        "since": alert.noticed_at.astimezone(UTC).isoformat(),
        "ended_at": alert.ended_at.astimezone(UTC).isoformat() if alert.ended_at else None,
        "url": _link(places.alert(alert.pk)) if alert.pk else "",
        "see": _link(places.of(alert.kind, alert.scope)),
        "runbook": places.runbook(alert.kind),
        "text": _for_chat(f"{head}: {sentence}"),
    }


def _for_chat(words: str) -> str:
    """Return a text as chat services want it, so that a name in it is no mention and no link."""
    escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("@", "@\u200b")


def _link(path: str) -> str:
    """Return a page's whole address. Empty: no setting says where the site is."""
    return f"{conf.TASK_ALERT_ORIGIN.rstrip('/')}{path}" if path and conf.TASK_ALERT_ORIGIN else ""


def _lasted(alert: Alert) -> str:
    return duration.in_words((alert.ended_at or timezone.now()) - alert.noticed_at)


def _time(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else ""
