"""The pages of queues and actors: their figures, and how operators pause, resume and purge."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import actions, audit, purging, states
from apps.tasks.figures.buckets import BUCKETS
from apps.tasks.models import AuditEntry, Pause, TaskStatus
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db

QUEUES = reverse("admin:tasks_pause_queues")
ACTORS = reverse("admin:tasks_pause_actors")
ACTOR = reverse("admin:tasks_pause_actor")
NOW = reverse("admin:index")
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is looked at by tests of its own."""
    monkeypatch.setattr("apps.tasks.health.servers", {})


def verb(name: str, kind: str, of: str) -> str:
    return f"{reverse(f'admin:tasks_pause_{name}')}?{urlencode({'kind': kind, 'name': of})}"


def told(client: Client, address: str, **form: Any) -> str:
    """Return the text of the page that a POST leads to."""
    response = client.post(address, form, follow=True)
    assert response.status_code == 200
    return Page(response.content.decode()).text


def line(page: Page, name: str) -> str:
    """Return the text of the line of a queue or actor."""
    (found,) = [part for part in page.html.split("<tr")[1:] if f">{name}<" in part]
    return Page(f"<tr{found}").text


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


# --- Queues --------------------------------------------------------------------------------------


def test_without_a_row_each_declared_queue_has_a_line(admin_client: Client) -> None:
    page = get(admin_client, QUEUES)
    assert "no worker" in line(page, "documents")


def test_a_queue_tells_what_waits_comes_goes_and_who_serves_it(admin_client: Client) -> None:
    now = timezone.now()
    for _ in range(3):
        rows.task(queue_name="documents", run_at=now - timedelta(minutes=5))
    rows.task(queue_name="documents", run_at=now + timedelta(hours=1), delayed=True)
    rows.task(queue_name="documents", status="processing", started_at=now)
    rows.tally("documents.process_document", "documents", sent=70, completed=60, failed=4, cancelled=1)
    rows.worker_process(queues=["documents"], threads=8)
    rows.worker_process("web-2", queues=["default"], threads=4)
    found = line(get(admin_client, QUEUES), "documents")
    for words in ("3", "1 later", "5 min", "75", "65", "4", "1 worker 8 threads"):
        assert words in found
    rows.task(queue_name="other.program")
    assert "no worker" in line(get(admin_client, QUEUES), "other.program")


def test_each_number_leads_to_the_list_that_explains_it(admin_client: Client) -> None:
    rows.task(queue_name="documents")
    rows.tally("documents.process_document", "documents", sent=7, completed=6, failed=4)
    page = get(admin_client, QUEUES)
    links = [str(attributes.get("href")) for tag, attributes in page.elements if tag == "a"]
    for query in ("status__exact=pending&queue=documents", "status__exact=processing&queue=documents",
                  "queue=documents&created=hour", "queue=documents&ended=hour",
                  "status__exact=failed&queue=documents&ended=hour"):  # fmt: skip
        (href,) = [href for href in links if href.endswith(f"?{query}")]
        get(admin_client, href)


@pytest.mark.parametrize("address", [QUEUES, ACTORS, f"{ACTOR}?name=acting.effect", NOW])
def test_a_page_costs_the_same_statements_for_any_number_of_rows(admin_client: Client, address: str) -> None:
    rows.pause("queue", "documents")
    rows.pause("actor", "acting.effect")
    rows.task("acting.effect", in_line=True)
    rows.tally("acting.effect", "default", completed=1)
    few = statements(admin_client, address)
    for number in range(30):
        rows.task("acting.effect", queue_name=f"queue-{number}")
        rows.task("acting.effect", status="failed", cause=f"c{number}", finished_at=timezone.now())
        rows.tally(f"actor-{number}", "default", completed=1)
        rows.worker_process(f"web-{number}")
    many = statements(admin_client, address)
    # A look for limits reads those of the actors in line. The lists of Now have rows of their own.
    assert len(many) <= len(few) + 2
    assert not [sql for sql in many if "COUNT(" in sql.upper() and "tasks_taskstatus" in sql and "LIMIT" not in sql
                and "GROUP BY" not in sql]  # fmt: skip


def test_of_very_many_tasks_those_at_either_end_are_counted(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.tasks.admin.queue.lines.SAMPLE", 3)
    for _ in range(10):
        rows.task(queue_name="documents")
    page = get(admin_client, QUEUES)
    assert "6+" in line(page, "documents")
    assert "Counted among the oldest and the newest 6 tasks" in page.text


# --- Pause and resume ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name", "page"), [("queue", "documents", QUEUES), ("actor", "acting.effect", ACTORS)])
def test_an_operator_pauses_and_resumes_with_a_reason(admin_client: Client, kind: str, name: str, page: str) -> None:
    rows.task("acting.effect", queue_name="documents")
    rows.task("acting.effect", queue_name="documents", status="processing")
    pause, resume = verb("pause", kind, name), verb("resume", kind, name)
    links = get(admin_client, page).with_attribute("aria-label", f"Pause {name}")
    assert [attributes["href"] for attributes in links] == [pause]
    question = get(admin_client, pause).text
    for words in (f"Pause the {kind} {name}?", "1 task waits.", "1 task runs. It goes on to its end.", "2 seconds"):
        assert words in question
    assert not Pause.objects.exists(), "a question changes nothing"

    text = told(admin_client, pause, reason="The mail server is down")
    assert "is paused since" in text
    found = Pause.objects.get()
    assert (found.kind, found.name, found.by, found.why) == (kind, name, "admin", "The mail server is down")
    shown = line(get(admin_client, page), name)
    for words in ("Paused since", "by admin", "The mail server is down", "Resume"):
        assert words in shown

    assert "The mail server is down" in get(admin_client, resume).text
    assert f"{name} runs again." in told(admin_client, resume, reason="It is back")
    assert not Pause.objects.exists()
    assert f"{name} was not paused." in told(admin_client, resume)
    entries = AuditEntry.objects.order_by("pk").values_list("verb", "target", "name", "door", "reason")
    assert list(entries) == [
        ("pause", f"{kind}:{name}", "admin", audit.ADMIN, "The mail server is down"),
        ("resume", f"{kind}:{name}", "admin", audit.ADMIN, "It is back"),
    ]


def test_all_mail_is_stopped_within_three_clicks_from_now(admin_client: Client) -> None:
    first = get(admin_client, NOW)
    assert any(attributes.get("href") == QUEUES for tag, attributes in first.elements if tag == "a")
    (second,) = get(admin_client, QUEUES).with_attribute("aria-label", "Pause mail")
    told(admin_client, str(second["href"]))
    assert Pause.objects.get().name == "mail"


def test_now_tells_what_is_paused(admin_client: Client) -> None:
    rows.worker_process(queues=["default"])
    rows.pause("queue", "documents", why="Disk full")
    rows.pause("actor", "acting.effect", by="")
    rows.task("acting.effect", in_line=True)
    text = get(admin_client, NOW).text
    assert "The queue documents is paused since" in text
    assert "Disk full" in text
    assert "The actor acting.effect is paused since" in text
    assert "No living worker takes the queue documents" not in text
    assert "Set aside 1" in text
    assert "Set aside" not in get(admin_client, f"{NOW}?period=hour").text.replace("Set aside 1", "")


@pytest.mark.once
@pytest.mark.parametrize("name", ["pause", "resume", "purge"])
@pytest.mark.parametrize(
    ("kind", "of", "words"),
    [
        ("queue", "slwo", "Unknown queue 'slwo', must be one of"),
        ("actor", SCRIPT, "Unknown actor"),
        ("queue", "a\x00b", "Unknown queue"),
        ("queue", "x" * 5_000, "Unknown queue"),
        ("", "", "A pause is of the kind queue or actor"),
        ("task", "documents", "A pause is of the kind queue or actor"),
    ],
)
def test_what_is_unknown_is_told(admin_client: Client, name: str, kind: str, of: str, words: str) -> None:
    for page in (told(admin_client, verb(name, kind, of)), get_following(admin_client, verb(name, kind, of))):
        assert words in page
    assert not Pause.objects.exists()


def get_following(client: Client, address: str) -> str:
    response = client.get(address, follow=True)
    assert SCRIPT not in response.content.decode()
    return Page(response.content.decode()).text


def test_a_reason_that_is_too_long_is_refused_and_an_odd_one_is_text(admin_client: Client) -> None:
    address = verb("pause", "queue", "documents")
    assert "must have 500 at most" in told(admin_client, address, reason="x" * 501)
    assert not Pause.objects.exists()
    told(admin_client, address, reason=f"{SCRIPT}\x00\u202e")
    for page in (QUEUES, NOW, verb("resume", "queue", "documents")):
        html = get(admin_client, page).html
        assert SCRIPT not in html
        assert "&lt;script&gt;" in html


def test_staff_who_may_only_look_see_no_buttons_and_are_refused() -> None:
    client = staff("view_taskstatus")
    rows.pause("queue", "documents")
    for page in (QUEUES, ACTORS, f"{ACTOR}?name=acting.effect"):
        assert "tasks/pause/pause/" not in get(client, page).html
    for name in ("pause", "resume", "purge"):
        assert client.get(verb(name, "queue", "documents")).status_code == 403
        assert client.post(verb(name, "queue", "documents")).status_code == 403
    assert Pause.objects.count() == 1


def test_staff_who_may_pause_may_not_purge() -> None:
    client = staff("view_taskstatus", "pause_taskstatus")
    html = get(client, QUEUES).html
    assert "tasks/pause/pause/" in html
    assert "tasks/pause/purge/" not in html
    assert client.post(verb("purge", "queue", "documents")).status_code == 403
    assert "is paused since" in told(client, verb("pause", "queue", "documents"))


# --- Purge -----------------------------------------------------------------------------------------


def test_a_purge_cancels_what_waited_when_it_was_asked(admin_client: Client) -> None:
    waiting = [rows.task(queue_name="documents") for _ in range(3)]
    aside = rows.task(queue_name="documents", in_line=True)
    running = rows.task(queue_name="documents", status="processing")
    elsewhere = rows.task(queue_name="default")
    address = verb("purge", "queue", "documents")
    page = get(admin_client, address)
    assert "Cancel all tasks that wait in the queue documents? 4 tasks wait. 1 task runs." in page.text
    (newest,) = page.with_attribute("name", "newest")
    later = rows.task(queue_name="documents")
    assert "4 tasks were cancelled." in told(admin_client, address, newest=newest["value"], reason="Sent by mistake")
    found = {row.pk: row.status for row in TaskStatus.objects.all()}
    assert {found[row.pk] for row in (*waiting, aside)} == {"cancelled"}
    assert (found[running.pk], found[elsewhere.pk], found[later.pk]) == ("processing", "pending", "pending")
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.target, entry.number, entry.reason) == (
        "purge", "queue:documents", 4, "Sent by mistake",
    )  # fmt: skip
    assert [noted.verb for noted in audit.of(waiting[0])] == ["cancel"]


def test_a_purge_goes_on_over_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.tasks.ledger.PAGE", 2)
    for _ in range(5):
        rows.task(queue_name="documents")
    assert purging.purge("documents", by=audit.By(name="root", door=audit.TERMINAL)) == (5, "")
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.target, entry.number) == ("purge", "queue:documents", 5)


def test_a_long_queue_is_purged_by_a_task(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "MOST", 3)
    monkeypatch.setattr(audit, "ROWS", 2)
    waiting = [rows.task(queue_name="documents") for _ in range(5)]
    address = verb("purge", "queue", "documents")
    page = get(admin_client, address)
    assert "More than 3 tasks wait. They are too many for one request. A task does it" in page.text
    (newest,) = page.with_attribute("name", "newest")
    assert newest["value"] == str(waiting[-1].pk)
    later = rows.task(queue_name="documents")
    answer = admin_client.post(address, {"newest": newest["value"], "reason": "Sent by mistake"})
    task = TaskStatus.objects.get(task_name="tasks.act_on_all")
    assert answer["Location"] == reverse("admin:tasks_taskstatus_change", args=[task.pk])
    assert "A task cancels 5 tasks: this is its page." in get(admin_client, answer["Location"]).text
    # A worker takes one before its turn.
    TaskStatus.objects.filter(pk=waiting[0].pk).update(status="processing")
    entry = AuditEntry.objects.get()
    while actions.go_on(entry):
        pass
    found = {row.pk: row.status for row in TaskStatus.objects.all()}
    assert {found[row.pk] for row in waiting[1:]} == {"cancelled"}
    assert (found[waiting[0].pk], found[later.pk]) == ("processing", "pending")
    assert TaskStatus.objects.get(pk=waiting[0].pk).cancel_requested_at is None
    entry.refresh_from_db()
    assert (entry.verb, entry.target, entry.number, entry.reason, entry.task_id) == (
        "purge", "queue:documents", 4, "Sent by mistake", task.task_id,
    )  # fmt: skip
    assert "Purged" in get(admin_client, reverse("admin:tasks_auditentry_changelist")).text


@pytest.mark.once
@pytest.mark.parametrize("newest", ["", "x", "-1", "9" * 40, "²"])
def test_an_odd_limit_of_a_purge_is_no_error_of_ours(admin_client: Client, newest: str) -> None:
    rows.task(queue_name="documents")
    assert "cancelled." in told(admin_client, verb("purge", "queue", "documents"), newest=newest)


def test_only_a_queue_can_be_purged(admin_client: Client) -> None:
    rows.task("acting.effect")
    assert "Only a queue can be purged." in told(admin_client, verb("purge", "actor", "acting.effect"))
    assert TaskStatus.objects.get().status == states.PENDING


# --- Actors ----------------------------------------------------------------------------------------


def busy(name: str, *, run_ms: int, **values: Any) -> None:
    histogram = [0] * BUCKETS
    histogram[5] = 10
    rows.tally(name, "default", run_ms=run_ms, waits=histogram, runs=histogram, **values)


def test_the_actor_that_eats_the_time_comes_first(admin_client: Client) -> None:
    busy("acting.effect", run_ms=1_000, completed=10, failed=2, retried=3)
    busy("acting.slow_effect", run_ms=9_000, completed=10)
    page = get(admin_client, ACTORS)
    assert page.text.index("acting.slow_effect") < page.text.index("acting.effect")
    assert "90 % of the time of all" in page.html
    found = line(page, "acting.effect")
    for words in ("10", "2", "3", "1.00 s", "default", "automatic retries 3"):
        assert words in found


def test_the_page_of_an_actor_has_its_options_its_chart_and_its_failures(admin_client: Client) -> None:
    busy("acting.effect", run_ms=1_000, completed=10, failed=2)
    busy("acting.slow_effect", run_ms=1_000, completed=990)
    at = timezone.now()
    rows.task("acting.effect", status="failed", cause="c", error_type="KeyError", error_message=SCRIPT, finished_at=at)
    rows.task("acting.say", status="failed", cause="d", error_type="OSError", error_message="other", finished_at=at)
    page = get(admin_client, ACTOR, name="acting.effect")
    assert "10 completed and 3 failed, last hour" in page.text
    assert "KeyError" in page.text
    assert "OSError" not in page.text
    assert SCRIPT not in page.html
    assert "Automatic retries 3" in page.text
    get(admin_client, ACTOR, name="acting.effect", period="week")


def test_an_actor_of_another_program_has_a_page(admin_client: Client) -> None:
    busy("other.actor", run_ms=10, completed=1)
    assert "This code does not have the actor." in get(admin_client, ACTOR, name="other.actor").text
    assert "Unknown actor 'gone'" in get_following(admin_client, f"{ACTOR}?name=gone")
