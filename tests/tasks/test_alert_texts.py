"""Texts of others in the news of alerts, by each channel, of each event and kind: they stay text, and are cut."""

import json
import logging
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from apps.tasks.alerts import delivery, telling, webhook
from apps.tasks.models import Alert, AlertRule
from apps.tasks.models import alert as kinds

pytestmark = [pytest.mark.django_db, pytest.mark.once]

#: A text of others: with markup, a line break, a colour of a terminal, a NUL, a change of direction, a lone surrogate.
START = "<script>alert(1)</script>\r\nBcc: eve@example.com\x1b[31m\x00\u202egnp\ud800 @channel & <!here> [a](//b)\u2028"
#: Characters that no news may have.
REFUSED = {*"\r\x00\x1b\x07\u202e\u2028\ud800"}
EVENTS = (telling.STARTED, telling.ENDED, telling.TEST)
#: Bytes of a mail and of a post, at most.
MOST_BYTES = 60_000


@pytest.fixture(autouse=True)
def posted(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[bytes]:
    """Return the bodies that are posted."""
    settings.TASK_ALERT_EMAILS = ["ops@example.com"]
    settings.TASK_ALERT_WEBHOOK = "https://hooks.example.com/tasks"
    settings.TASK_ALERT_ORIGIN = "https://example.com"
    found: list[bytes] = []
    monkeypatch.setattr(webhook, "post", lambda _url, payload: found.append(json.dumps(payload).encode()))
    return found


def alert(kind: str, *, end: str = "x") -> Alert:
    """Return an alert whose texts are of others and have a megabyte, which no database would take."""
    text, now = START + end * 1_000_000, timezone.now()
    rule = AlertRule(name=text, kind=kind)
    # A scope is a name in a row, of a queue, for example: it has no half characters.
    words = {"scope": text.replace("\ud800", "")[:255], "sentence": text, "remedy": text}
    return Alert(pk=1, rule=rule, kind=kind, noticed_at=now, checked_at=now, ended_at=now, **words)


def check_mail(message: Message) -> None:
    assert {name.lower() for name in message.keys()} == {  # noqa: SIM118 (A name may come twice.)
        "content-type", "mime-version", "content-transfer-encoding", "subject", "from", "to", "date", "message-id",
    }  # fmt: skip
    assert message.get_content_type() == "text/plain"
    assert message["To"] == "ops@example.com"


def sent_by_mail(_posted: list[bytes]) -> tuple[list[str], int]:
    [sent] = mail.outbox
    mail.outbox.clear()
    check_mail(sent.message())
    assert sent.recipients() == ["ops@example.com"]
    assert "\n" not in sent.subject
    assert len(sent.subject) <= telling.SUBJECT_LENGTH
    return [str(sent.subject), *str(sent.body).splitlines()], len(sent.message().as_bytes())


def sent_by_webhook(posted: list[bytes]) -> tuple[list[str], int]:
    body = posted.pop()
    found = json.loads(body)
    assert not {"<", ">"} & set(found["text"])
    assert "@channel" not in found["text"]
    return [value for value in found.values() if isinstance(value, str)], len(body)


#: Functions that return the lines and the number of bytes of the last news, by channel.
SENT: dict[str, Callable[[list[bytes]], tuple[list[str], int]]] = {"mail": sent_by_mail, "webhook": sent_by_webhook}


def test_every_channel_is_looked_at() -> None:
    assert SENT.keys() == delivery.CHANNELS.keys()
    assert set(EVENTS) == {value for name, value in vars(telling).items() if name in ("STARTED", "ENDED", "TEST")}


@pytest.mark.parametrize("end", ["x", "\U0001f600", "\n", "\u202e", "\x00"], ids=["x", "emoji", "line", "turn", "nul"])
@pytest.mark.parametrize("channel", SENT)
def test_texts_of_others_stay_text_and_are_cut(channel: str, end: str, posted: list[bytes]) -> None:
    _column, tell = delivery.CHANNELS[channel]
    for event in EVENTS:
        for kind in kinds.KINDS:
            assert tell(alert(kind, end=end), event)
            lines, size = SENT[channel](posted)
            assert size < MOST_BYTES, (event, kind)
            for line in lines:
                assert not REFUSED & set(line), (event, kind, line[:200])
                assert len(line) <= 4_000
                assert not line.startswith("Bcc:")
            assert any("<script>alert(1)</script> Bcc: eve@example.com" in line for line in lines)


def test_an_error_of_a_server_is_one_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(alert: Alert, event: str) -> bool:
        raise OSError(START + "x" * 1_000_000)

    now = timezone.now()
    row = Alert.objects.create(kind=kinds.NO_WORKER, sentence="No worker lives.", noticed_at=now, checked_at=now)
    monkeypatch.setattr(
        delivery, "CHANNELS", {name: (column, refuse) for name, (column, _tell) in delivery.CHANNELS.items()}
    )
    with caplog.at_level(logging.WARNING, logger=delivery.__name__):
        delivery.deliver_at_once([row.pk])
    messages = [record.getMessage() for record in caplog.records if record.name == delivery.__name__]
    assert len(messages) == len(SENT)
    for message in messages:
        assert "<script>" in message
        assert not {*REFUSED, "\n"} & set(message)
        assert len(message) < 400
