"""The admin's pages of alerts and of their rules."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import health
from apps.tasks.alerts import rules
from apps.tasks.models import Alert, AlertRule, AuditEntry, TaskStatus
from apps.tasks.models import alert as kinds
from tests import rows
from tests.pages import get, statements

#: Pages and forms are the same on every database. `tests/access/test_databases.py` opens every page on the second.
pytestmark = [pytest.mark.once, pytest.mark.django_db]

ALERTS = reverse("admin:tasks_alert_changelist")
RULES = reverse("admin:tasks_alertrule_changelist")
NOW = reverse("admin:index")
HOSTILE = "<script>alert(1)</script> \u202egnp"


@pytest.fixture(autouse=True)
def _without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "servers", {})


def rule(kind: str = kinds.FAILURES) -> AlertRule:
    rules.update()
    return AlertRule.objects.get(kind=kind)


def alert(sentence: str = "37 of 100 runs of acting.mail failed in 10 min (37 %).", **values: Any) -> Alert:
    now = timezone.now()
    times = {"noticed_at": now - timedelta(minutes=5), "checked_at": now, "started_at": now}
    given = {
        "rule": rule(),
        "kind": kinds.FAILURES,
        "scope": "acting.mail",
        "value": 37,
        "worst": 52,
        **times,
        **values,
    }
    return Alert.objects.create(sentence=sentence, **given)


def page_of(row: Alert | AlertRule, name: str = "change") -> str:
    return reverse(f"admin:tasks_{row._meta.model_name}_{name}", args=[row.pk])


# --- Alerts ---


def test_an_empty_list_says_where_alerts_come_from(admin_client: Client) -> None:
    assert "No alerts A relay starts one when the condition of a rule has lasted." in get(admin_client, ALERTS).text


def test_alerts_that_fire_come_first_then_the_history(admin_client: Client) -> None:
    alert("It is over.", ended_at=timezone.now())
    alert("It goes on.", scope="other")
    alert("It is only noticed.", scope="third", started_at=None)
    text = get(admin_client, ALERTS).text
    assert text.index("It goes on.") < text.index("It is over.")
    assert "It is only noticed." not in text
    assert "52 %" in text
    for state, sentence in (("firing", "It goes on."), ("ended", "It is over.")):
        found = get(admin_client, ALERTS, state=state).text
        assert [one for one in ("It goes on.", "It is over.") if one in found] == [sentence]


def test_a_page_says_what_to_do_and_where_to_look(admin_client: Client) -> None:
    row = alert(remedy="Look at why they fail.")
    page = get(admin_client, page_of(row))
    for words in ("37 of 100 runs", "Look at why they fail.", "Many failures", "37 %", "52 %", "Firing"):
        assert words in page.text
    assert "docs/runbooks.md#many-tasks-failed-for-one-reason" in page.text
    assert any("task=acting.mail" in str(one.get("href")) for _tag, one in page.elements)


def test_names_of_others_are_text(admin_client: Client) -> None:
    row = alert(HOSTILE, scope=HOSTILE)
    for address in (ALERTS, page_of(row), NOW):
        assert "<script>alert(1)" not in get(admin_client, address).html


def test_staff_silence_an_alert_with_a_reason(admin_client: Client, admin_user: User) -> None:
    row = alert()
    address = page_of(row, "silence")
    assert "Silence this alert?" in get(admin_client, address).text
    for hours, reason in (("4", " "), ("5", "Known"), ("4", "Known\x00")):
        assert admin_client.post(address, {"hours": hours, "reason": reason}).status_code == 200
    assert Alert.objects.get().silenced_until is None
    assert admin_client.post(address, {"hours": "4", "reason": "The mail server moves"}).status_code == 302
    row.refresh_from_db()
    assert row.silenced_until is not None
    assert timedelta(hours=3.9) < row.silenced_until - timezone.now() < timedelta(hours=4.1)
    text = get(admin_client, page_of(row)).text
    assert f"by {admin_user.username}: The mail server moves" in text
    assert "Silenced" in text
    noted = AuditEntry.objects.get()
    assert (noted.verb, noted.name) == ("silence", admin_user.username)

    admin_client.post(page_of(row, "unsilence"))
    assert not Alert.objects.silenced().exists()
    assert AuditEntry.objects.count() == 2


def test_those_who_may_only_look_see_no_buttons(client: Client) -> None:
    row, hook = alert(), "https://hooks.example.com/secret-part"
    AlertRule.objects.update(webhook=hook)
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_alert", "view_alertrule")))
    client.force_login(user)
    assert "silence/" not in get(client, page_of(row)).html
    found = get(client, page_of(rule()))
    assert "Send a test" not in found.text
    assert "secret-part" not in found.html + get(client, RULES).html
    for name in ("silence", "unsilence"):
        assert client.post(page_of(row, name)).status_code == 403
    assert client.post(page_of(rule(), "test")).status_code == 403


def test_a_list_takes_as_many_statements_for_many_rows_as_for_few(admin_client: Client) -> None:
    alert()
    few = len(statements(admin_client, ALERTS))
    for number in range(8):
        alert(scope=f"acting.{number}")
    assert len(statements(admin_client, ALERTS)) == few


# --- Now ---


def test_now_says_since_when_an_alert_fires(admin_client: Client) -> None:
    rows.worker_process(kind="relay")
    row = alert("No worker lives: tasks wait.", rule=rule(kinds.NO_WORKER), kind=kinds.NO_WORKER, scope="")
    page = get(admin_client, NOW)
    assert page.text.count("No worker lives: tasks wait.") == 1
    assert "Start manage.py runworker." in page.text
    assert any(one.get("href") == page_of(row) for _tag, one in page.elements)
    assert "for 5 minutes" in page.text.replace("\xa0", " ")
    Alert.objects.update(silenced_until=timezone.now() + timedelta(hours=1))
    assert "silenced" in get(admin_client, NOW).text


def test_now_shows_an_alert_whose_condition_is_over_until_it_ends(admin_client: Client) -> None:
    alert(cleared_at=timezone.now())
    assert "All is well now. It ends when this has lasted." in get(admin_client, NOW).text


# --- Rules ---


def test_the_declared_rules_are_listed_before_any_relay_has_run(admin_client: Client) -> None:
    text = get(admin_client, RULES).text
    for words in ("Many failures", "20 % in 10 min", "No worker", "the code", "nobody"):
        assert words in text


def values(row: AlertRule, **changed: Any) -> dict[str, Any]:
    names = ("threshold", "window_minutes", "least_runs", "hold_seconds", "clear_seconds", "mail_to", "webhook")
    found = {name: getattr(row, name) for name in names}
    return {name: "" if value is None else value for name, value in {**found, "enabled": "on", **changed}.items()}


def test_a_changed_rule_is_marked(admin_client: Client) -> None:
    row = rule()
    assert admin_client.post(page_of(row), values(row, threshold=50)).status_code == 302
    row.refresh_from_db()
    assert (row.threshold, row.is_changed, row.name) == (50, True, "Many failures")
    assert "changed" in get(admin_client, RULES).text
    assert AuditEntry.objects.get().value == "threshold"


@pytest.mark.parametrize(
    ("kind", "changed", "sentence"),
    [
        (kinds.FAILURES, {"threshold": 120}, "It is 120.0, must be 1 to 100 percent"),
        (kinds.FAILURES, {"threshold": ""}, "It is empty, must be 1 to 100 percent"),
        (kinds.FAILURES, {"threshold": "nan"}, "Enter a number."),
        (kinds.FAILURES, {"window_minutes": 0}, "It is 0, must be 1 to 10,080 minutes"),
        (kinds.FAILURES, {"least_runs": ""}, "It must be at least 1"),
        (kinds.FAILURES, {"mail_to": "ops@example.com, jane"}, "'jane' is no address, must be such as ops@example.com"),
        (kinds.FAILURES, {"webhook": "http://169.254.169.254/"}, "it must begin with https://"),
        (kinds.FAILURES, {"webhook": "https://127.0.0.1/"}, "127.0.0.1 is an address inside"),
        (kinds.FAILURES, {"hold_seconds": 999_999_999}, "Ensure this value is less than or equal to 604800."),
    ],
)
def test_a_wrong_value_is_refused_with_the_right_ones(
    admin_client: Client, kind: str, changed: dict[str, Any], sentence: str
) -> None:
    row = rule(kind)
    answer = admin_client.post(page_of(row), values(row, **changed))
    assert answer.status_code == 200
    assert sentence in answer.content.decode().replace("&#x27;", "'")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"scope": "slwo"}, "Unknown queue 'slwo', must be one of: "),
        ({"kind": kinds.NO_WORKER, "threshold": "", "scope": "default"}, "is about no queue, actor or schedule"),
        ({"kind": kinds.NO_WORKER, "scope": ""}, "it has no threshold, leave it empty"),
        ({"window_minutes": 3}, "This condition does not look back, leave it empty"),
        ({"least_runs": 3}, "This condition counts no runs, leave it empty"),
        ({"name": "Long wait"}, "'Long wait' is the name of a declared rule; choose another one"),
    ],
)
def test_a_new_rule_must_make_sense(admin_client: Client, changed: dict[str, Any], sentence: str) -> None:
    add = reverse("admin:tasks_alertrule_add")
    given = {"name": "Mine", "kind": kinds.OLDEST_DUE, "scope": "default", "threshold": 30, "hold_seconds": 0,
             "clear_seconds": 0, "enabled": "on"}  # fmt: skip
    answer = admin_client.post(add, {**given, **changed})
    assert sentence in answer.content.decode().replace("&#x27;", "'")
    assert admin_client.post(add, given).status_code == 302
    assert AlertRule.objects.get(name="Mine").scope == "default"


def test_a_declared_rule_cannot_be_deleted_and_one_of_staff_can(admin_client: Client) -> None:
    declared = rule()
    assert admin_client.post(page_of(declared, "delete"), {"post": "yes"}).status_code == 403
    own = AlertRule.objects.create(name="Mine", kind=kinds.NO_WORKER)
    assert admin_client.post(page_of(own, "delete"), {"post": "yes"}).status_code == 302


def test_a_test_is_sent_by_the_tasks_that_tell_alerts(admin_client: Client, settings: Any) -> None:
    row = rule()
    answer = admin_client.post(page_of(row, "test"), follow=True)
    assert "There is no address." in answer.content.decode()
    settings.TASK_ALERT_EMAILS = ["ops@example.com"]
    AlertRule.objects.filter(pk=row.pk).update(webhook="https://hooks.example.com/x")
    answer = admin_client.post(page_of(row, "test"), follow=True)
    assert "A test is on its way: mail, webhook." in answer.content.decode()
    sent = TaskStatus.objects.values_list("task_name", flat=True)
    assert set(sent) == {"tasks.mail_alert", "tasks.post_alert"}
    text = get(admin_client, page_of(Alert.objects.get())).text
    assert "This is a test of the rule Many failures. Nothing is wrong." in text
    assert "tasks.mail_alert Pending" in text
