"""The page of one task: its sentence, its timeline, its relatives, its message, and the part that is renewed."""

import json
from bisect import bisect
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import audit, figures, health, ledger, pauses, reasons, states
from apps.tasks.admin.task_page.page import address_of
from apps.tasks.duration import in_words
from apps.tasks.figures.counts import Counts
from apps.tasks.models import Limit, Schedule, ScheduleSlot, Tally, TallyMark, TaskChild, TaskGroup, TaskStatus
from tests import rows
from tests.pages import Page, get, statements
from workers.wire.message import words_of_row

#: Pages and forms are the same on every database. `tests/access/test_databases.py` opens every page on the second.
pytestmark = [pytest.mark.once, pytest.mark.django_db]

TRACEBACK = """Traceback (most recent call last):
  File "/srv/.venv/lib/python3.11/site-packages/dramatiq/worker.py", line 480, in process_message
    res = actor(*message.args)
  File "/srv/.venv/lib/python3.11/site-packages/dramatiq/actor.py", line 182, in __call__
    return self.fn(*args)
  File "/srv/shop/books.py", line 7, in isbn_of
    return book["isbn"]
           ~~~~^^^^^^^^
KeyError: 'isbn'

During handling of the above exception, another exception occurred:
"""


@pytest.fixture(autouse=True)
def without_servers(monkeypatch) -> None:
    """Redis is no part of these tests."""
    monkeypatch.setattr(health, "servers", {})


def address(task: Model, name: str = "change") -> str:
    return reverse(f"admin:tasks_{task._meta.model_name}_{name}", args=[task.pk])


def timeline(page: Page) -> list[str]:
    """Return the texts of the events, in their order."""
    found = page.html.split('<ol class="task-timeline">', 1)[1].split("</ol>")[0]
    return [Page(item).text for item in found.split("<li ")[1:]]


def part(page: Page, name: str) -> Page:
    return Page(page.html.split(f'data-part="{name}"')[1].split("</section>")[0])


# --- The sentence ---


def test_the_page_begins_with_the_reason_what_helps_and_a_link(admin_client: Client) -> None:
    why = part(get(admin_client, address(rows.task())), "why")
    assert "No worker lives. Start manage.py runworker." in why.text
    assert why.with_attribute("href", reverse("admin:tasks_workerprocess_changelist"))


@pytest.mark.parametrize("kind", ["limit", "processes", "queue", "queues", "actor", "schedule", "worker", "tasks"])
def test_each_reason_leads_to_a_page_that_exists(admin_client: Client, kind: str) -> None:
    now = timezone.now()
    times = {"anchor_at": now, "decided_until": now}
    keys: dict[str, Any] = {
        "limit": Limit.objects.create(task_name="a.b", concurrency=1).pk,
        "worker": rows.worker_process().pk,
        "schedule": Schedule.objects.create(name="n", task_name="a.b", cron="0 3 * * *", **times).pk,
        "queue": "documents", "actor": "tasks.mail_alert",
    }  # fmt: skip
    assert admin_client.get(address_of(reasons.Page(kind, keys.get(kind)))).status_code == 200


def test_a_pause_leads_to_the_page_that_ends_it(admin_client: Client) -> None:
    rows.pause(pauses.QUEUE, "documents")
    rows.pause(pauses.ACTOR, "tasks.mail_alert")
    for task, page, verb in (
        (rows.task(queue_name="documents"), reverse("admin:tasks_pause_queues"), "Resume documents"),
        (rows.task("tasks.mail_alert"), f"{reverse('admin:tasks_pause_actor')}?name=tasks.mail_alert",
         "Resume tasks.mail_alert"),
    ):  # fmt: skip
        why = part(get(admin_client, address(task)), "why")
        assert [one["href"] for tag, one in why.elements if tag == "a"] == [page]
        assert get(admin_client, page).with_attribute("aria-label", verb)


# --- The timeline ---


def test_the_timeline_tells_the_life_of_a_task_with_its_usual_times(admin_client: Client) -> None:
    now = timezone.now()
    worker = rows.worker_process()
    counts = Counts()
    counts.runs[bisect(figures.BOUNDS_SECONDS, 1.5)] = 10
    usual = f"usual {in_words(timedelta(seconds=counts.run_quantile(0.5) or 0))}"
    runs = counts.runs
    span = {"start": now - timedelta(hours=1), "task_name": "a.b", "queue_name": "default"}
    Tally.objects.create(span=60, completed=10, runs=runs, waits=runs, **span)
    TallyMark.objects.create(counted_until=now, settled_until=now, summed_until=now)
    task = rows.task(
        "a.b", status=states.FAILED, attempt=1, run_at=now - timedelta(seconds=70), claimed_at=now, worker_id=worker.pk,
        started_at=now - timedelta(seconds=60), finished_at=now, error_message="no",
    )  # fmt: skip
    TaskStatus.objects.filter(pk=task.pk).update(created_at=now - timedelta(minutes=5))
    task.attempts.create(
        attempt=0, outcome="rescue", error_message="Its worker process died.", worker_id=worker.pk,
        started_at=now - timedelta(seconds=80), ended_at=now - timedelta(seconds=75),
    )  # fmt: skip
    sent, first, due, handed, started, failed = timeline(get(admin_client, address(task)))
    assert "Sent" in sent
    assert "Attempt 1 lost its worker" in first
    assert "ran 5.00 s" in first
    assert str(worker.pk)[:8] in first
    assert "Due" in due
    assert "Handed to a worker" in handed
    assert f"waited 10 s, {usual}" in started
    assert "Failed" in failed
    assert f"ran 1 min 0 s, {usual}" in failed


def test_calls_of_libraries_are_folded_in_a_traceback_which_stays_whole(admin_client: Client) -> None:
    task = rows.task(status=states.FAILED, error_type="KeyError", error_message="'isbn'", traceback=TRACEBACK)
    error = part(get(admin_client, address(task)), "error")
    folded = error.html.split("2 calls in libraries")[1].split("</details>")[0]
    assert "process_message" in folded
    assert "isbn_of" not in folded
    blocks = [block.split(">", 1)[1].split("</pre>")[0] for block in error.html.split("<pre")[1:]]
    assert Page("\n".join(blocks)).text == " ".join(TRACEBACK.split())
    [button] = error.with_attribute("class", "task-copy")
    assert "hidden" in button  # A script shows it.


def test_a_huge_traceback_shows_its_end(admin_client: Client) -> None:
    task = rows.task(status=states.FAILED, error_message="x", traceback="y" * 1_000_000 + TRACEBACK)
    for number in range(50):
        task.attempts.create(attempt=number, outcome="retry", traceback="y" * 200_000, ended_at=timezone.now())
    html = get(admin_client, address(task)).html
    assert "isbn_of" in html
    assert "Its beginning is cut." in html
    assert len(html) < 1_500_000


@pytest.mark.parametrize("text", ["", "no traceback", '  File "', "\n\n", '  File "x\n    y', "  | eg\n  +-+---"])
def test_texts_that_are_no_traceback_are_shown_as_they_are(admin_client: Client, text: str) -> None:
    task = rows.task(status=states.FAILED, error_message="x", traceback=text)
    assert " ".join(text.split()) in get(admin_client, address(task)).text


# --- Relatives, message, history ---


def test_parent_children_and_group_are_told(admin_client: Client) -> None:
    parent, task = rows.task("a.parent"), rows.task("a.b", options={"group_key": "g"})
    TaskChild.objects.create(task_id=task.task_id, parent_id=parent.task_id)
    for number in range(23):
        TaskChild.objects.create(task_id=rows.task(f"a.child_{number}").task_id, parent_id=task.task_id)
    ledger.open_group("g", members=[[task.task_id], [rows.task().task_id]])
    family = part(get(admin_client, address(task)), "family")
    assert family.with_attribute("href", address(parent))
    for words in ("a.child_22", "a.child_3", "and 3 more", "2 members : 2 waiting"):
        assert words in family.text
    assert "a.child_2 " not in family.text
    TaskStatus.objects.filter(pk=parent.pk).delete()
    assert parent.task_id in part(get(admin_client, address(task)), "family").text


def test_the_message_is_what_redis_gets(admin_client: Client) -> None:
    task = rows.task("documents.process_document", args=[7], kwargs={"a": "<b>"}, options={"max_retries": 3}, retries=2)
    task.attempt = 4
    task.save()
    page = get(admin_client, address(task))
    [shown] = [text for text in page.texts if "redis_message_id" in text]
    assert json.loads(shown) == json.loads(words_of_row(task)[2])
    assert "document_id 7" in page.text


def test_staff_without_the_permission_do_not_see_arguments_and_results(client: Client) -> None:
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_taskstatus"))
    client.force_login(user)
    task = rows.task(status=states.COMPLETED, args=["a-secret"], kwargs={"x": "a-secret"}, result="a-secret")
    page = get(client, address(task))
    assert "a-secret" not in page.html
    assert "they need the permission “Can view arguments of task”" in page.text


def test_the_history_is_in_place(admin_client: Client) -> None:
    task, by = rows.task(), audit.By(name="rosa", door=audit.TERMINAL)
    audit.note("cancel", by=by, row_ids=[task.pk], reason="<script>")
    history = part(get(admin_client, address(task)), "history").text
    assert "Cancelled by rosa (terminal) <script>" in history


def test_the_slot_of_its_schedule_is_told(admin_client: Client) -> None:
    now = timezone.now()
    task = rows.task(options={"schedule": "nightly"})
    times = {"anchor_at": now, "decided_until": now}
    schedule = Schedule.objects.create(name="nightly", task_name="a.b", cron="0 3 * * *", **times)
    slot = {"slot": now, "first_slot": now, "outcome": "fired"}
    ScheduleSlot.objects.create(schedule=schedule, task_id=task.task_id, **slot)
    assert "Slot" in get(admin_client, address(task)).text


# --- The part that is renewed ---


def test_the_part_is_sent_again_only_if_something_changed(admin_client: Client, monkeypatch) -> None:
    monkeypatch.setattr("apps.tasks.admin.etag.STEADY_SECONDS", 10**9)
    task = rows.task(status=states.PROCESSING, started_at=timezone.now(), worker_id=rows.worker_process().pk)
    page = get(admin_client, address(task))
    [root] = page.with_attribute("id", "task-page")
    url, etag = str(root["data-url"]), str(root["data-etag"])
    assert url == address(task, "part")
    assert admin_client.get(url, headers={"If-None-Match": etag}).status_code == 304
    ledger.cancel(task.task_id)
    answer = admin_client.get(url, headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert "Its cancellation was requested" in answer.content.decode()
    assert "<html" not in answer.content.decode()
    # Compression makes the tag weak.
    for tag in (answer["ETag"], f"W/{answer['ETag']}"):
        assert admin_client.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert admin_client.post(url).status_code == 405


def test_a_task_that_has_ended_is_not_renewed(admin_client: Client) -> None:
    [root] = get(admin_client, address(rows.task(status=states.COMPLETED))).with_attribute("id", "task-page")
    assert "data-url" not in root


def test_the_page_costs_as_many_statements_for_a_long_life_as_for_a_short_one(admin_client: Client) -> None:
    short = rows.task("a.b", options={"group_key": "g"}, status=states.FAILED)
    long = rows.task("a.b", options={"group_key": "h"}, status=states.FAILED)
    for task, number in ((short, 1), (long, 30)):
        others = [rows.task("a.b") for _ in range(number)]
        ledger.open_group(task.options["group_key"], members=[[one.task_id] for one in (task, *others)])
        TaskChild.objects.create(task_id=task.task_id, parent_id=others[0].task_id)
        for place, other in enumerate(others):
            task.attempts.create(
                attempt=place, outcome="retry", ended_at=timezone.now(), worker_id=rows.worker_process().pk
            )
            if place:
                TaskChild.objects.create(task_id=other.task_id, parent_id=task.task_id)
    few, many = (statements(admin_client, address(task)) for task in (short, long))
    assert len(many) <= len(few) + 1  # The children that are not shown are counted.
    assert len(few) <= 30
    for sql in many:
        assert "COUNT(" not in sql.upper() or "WHERE" in sql.upper()


def test_pages_on_which_nothing_is_saved_have_no_bar_for_it(admin_client: Client) -> None:
    group = TaskGroup.objects.create(key="packing", size=1)
    for row in (rows.task(), rows.worker_process(), group):
        assert not get(admin_client, address(row)).with_attribute("id", "submit-row"), row
