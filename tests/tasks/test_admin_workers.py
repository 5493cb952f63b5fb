"""The admin's pages of worker processes."""

import re
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks.models import AuditEntry, WorkerProcess
from tests import rows
from tests.pages import Page, get, statements

pytestmark = [pytest.mark.once, pytest.mark.django_db]

WORKERS = reverse("admin:tasks_workerprocess_changelist")


def page_of(worker: WorkerProcess) -> str:
    return reverse("admin:tasks_workerprocess_change", args=[worker.pk])


def test_an_empty_list_says_that_there_are_no_workers_yet(admin_client: Client) -> None:
    assert "No processes yet" in get(admin_client, WORKERS).text


def test_a_worker_lives_is_silent_or_has_stopped(admin_client: Client, settings: Any) -> None:
    settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS = 10
    now = timezone.now()
    silence = now - timedelta(seconds=11)
    rows.worker_process("a", started_at=now - timedelta(hours=1), beat_at=now + timedelta(minutes=1))
    rows.worker_process("b", started_at=now - timedelta(hours=2), beat_at=silence)
    rows.worker_process("c", started_at=now - timedelta(hours=3), beat_at=silence, stopped_at=now, ended="stopped")

    html = get(admin_client, WORKERS).html

    assert re.findall(r'class="field-state .*?<span[^>]*>\s*(\w+)', html, re.DOTALL) == ["Living", "Silent", "Stopped"]


def test_a_worker_is_shown_with_its_queues_and_its_host(admin_client: Client) -> None:
    everything = rows.worker_process("web-1", pid=4121, threads=8)
    some = rows.worker_process("web-2", pid=4122, threads=3, queues=["documents", "default"])

    listed = get(admin_client, WORKERS).text
    for expected in ("web-1", "4121", "web-2", "4122", "documents, default", "all"):
        assert expected in listed
    assert "documents, default" in get(admin_client, page_of(some)).text
    assert str(everything.pk) in get(admin_client, page_of(everything)).text


def test_relays_and_schedulers_are_shown_with_their_kind_and_without_queues(admin_client: Client) -> None:
    for kind, _ in WorkerProcess.KIND_CHOICES:
        rows.worker_process(f"{kind}-host", kind=kind, threads=8 if kind == "worker" else 0)

    html = get(admin_client, WORKERS).html
    shown = {
        name: re.findall(rf'class="field-{name}[^>]*>\s*([\w-]+)', html)
        for name in ("kind", "queue_names", "thread_count")
    }
    assert shown == {
        "kind": ["Scheduler", "Relay", "Worker"], "queue_names": ["-", "-", "all"], "thread_count": ["-", "-", "8"],
    }  # fmt: skip
    relay = get(admin_client, page_of(WorkerProcess.objects.get(kind="relay")))
    assert "Relay" in relay.text
    assert "Tasks that it holds" not in relay.text


def test_the_list_is_filtered_by_kind(admin_client: Client) -> None:
    for kind, _ in WorkerProcess.KIND_CHOICES:
        rows.worker_process(f"{kind}-host", kind=kind)

    text = get(admin_client, f"{WORKERS}?kind__exact=relay").text
    assert "relay-host" in text
    assert "worker-host" not in text
    assert "scheduler-host" not in text


def test_a_worker_leads_to_its_tasks(admin_client: Client) -> None:
    worker = rows.worker_process()
    tasks = reverse("admin:tasks_taskstatus_changelist", query={"worker_id__exact": str(worker.pk)})

    assert f'href="{tasks}"' in get(admin_client, page_of(worker)).html
    get(admin_client, tasks)


def test_a_list_takes_as_many_statements_whatever_its_length(admin_client: Client) -> None:
    rows.worker_process()
    few = statements(admin_client, WORKERS)
    for number in range(20):
        rows.worker_process(f"web-{number}")

    assert len(statements(admin_client, WORKERS)) == len(few)


def test_a_worker_cannot_be_added_changed_or_deleted(admin_client: Client) -> None:
    worker = rows.worker_process()

    for address in (
        reverse("admin:tasks_workerprocess_add"),
        page_of(worker),
        reverse("admin:tasks_workerprocess_delete", args=[worker.pk]),
    ):
        assert admin_client.post(address, {"post": "yes", "hostname": "x"}).status_code == 403
    assert WorkerProcess.objects.get().hostname == "web-1"


def test_values_of_a_worker_are_escaped(admin_client: Client) -> None:
    script = "<script>alert(1)</script>"
    worker = rows.worker_process(script, queues=[script], broker_id=script, host=script, process_started=script)

    for address in (WORKERS, page_of(worker)):
        page = get(admin_client, address)
        assert script not in page.html
        assert "alert(1)" in page.text


def test_the_list_says_which_queues_no_living_worker_takes(admin_client: Client) -> None:
    others = sorted(dramatiq.get_broker().get_declared_queues() - {"documents"})
    later = timezone.now() + timedelta(minutes=1)
    rows.worker_process("a", queues=others, beat_at=later)
    rows.worker_process("b", queues=["documents"], beat_at=later - timedelta(hours=1))
    sentence = "No living worker takes tasks from the queue documents: they wait."
    assert sentence in get(admin_client, WORKERS).text
    rows.worker_process("c", beat_at=later)
    assert "No living worker" not in get(admin_client, WORKERS).text


def test_a_worker_is_shown_with_its_memory_its_busy_threads_and_what_it_has_done(admin_client: Client) -> None:
    worker = rows.worker_process(threads=8, busy_threads=3, memory_mb=1412, tasks_done=18231)
    for address in (WORKERS, page_of(worker)):
        text = get(admin_client, address).text
        for expected in ("8, 3 busy", "1,412 MB"):
            assert expected in text
    assert "18,231" in text
    rows.worker_process("relay-host", kind="relay", threads=0, memory_mb=88)
    relay = get(admin_client, page_of(WorkerProcess.objects.get(kind="relay"))).text
    assert "88 MB" in relay
    assert "busy" not in relay


@pytest.mark.parametrize(
    ("trouble", "sentence"), [("writer", "It cannot write outcomes"), ("claims", "It cannot claim tasks")]
)
def test_a_worker_that_is_stuck_says_why(admin_client: Client, trouble: str, sentence: str) -> None:
    later = timezone.now() + timedelta(minutes=1)
    worker = rows.worker_process(trouble=trouble, beat_at=later)
    assert "Stuck" in get(admin_client, WORKERS).text
    assert sentence in get(admin_client, page_of(worker)).text
    WorkerProcess.objects.update(trouble="")
    assert "Stuck" not in get(admin_client, WORKERS).text
    assert "Trouble" not in get(admin_client, page_of(worker)).text


# --- Now and at the end ---


def test_a_process_is_shown_with_the_tasks_that_it_runs_now(admin_client: Client) -> None:
    worker, other = rows.worker_process(), rows.worker_process("web-2")
    at = timezone.now() - timedelta(minutes=9)
    tasks = [
        rows.task(
            f"acting.run_{number}", status="processing", worker_id=worker.pk, started_at=at + timedelta(seconds=number),
            progress=40, progress_text=f"Step {number}",
        )
        for number in range(4)
    ]  # fmt: skip
    rows.task("acting.claimed", status="processing", worker_id=worker.pk)
    rows.task("acting.done", status="completed", worker_id=worker.pk, started_at=at)
    listed = get(admin_client, WORKERS)
    assert "acting.run_0 acting.run_1 and 2 more" in listed.text
    shown = get(admin_client, page_of(worker))
    for number, task in enumerate(tasks):
        assert f"acting.run_{number} 40% 8 min" in shown.text or f"acting.run_{number} 40% 9 min" in shown.text
        assert f"Step {number}" in shown.text
        assert reverse("admin:tasks_taskstatus_change", args=[task.pk]) in shown.html
    assert "acting.claimed" not in shown.text
    assert "acting.done" not in shown.text
    assert "acting.run" not in get(admin_client, page_of(other)).text


def test_staff_who_may_not_see_tasks_do_not_see_what_a_process_runs(client: Client) -> None:
    worker = rows.worker_process()
    rows.task("acting.secret", status="processing", worker_id=worker.pk, started_at=timezone.now())
    client.force_login(staff("view_workerprocess"))
    for address in (WORKERS, page_of(worker)):
        assert "acting.secret" not in get(client, address).html


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ("stopped", "Stopped"), ("recycled", "Replaced after its number of tasks"), ("memory", "above its limit"),
        ("killed", "Died Killed from outside"), ("oom", "Died Killed, as the machine had no memory left"),
        ("crashed", "Died Crashed"), ("silent", "Died Declared dead"), ("", "Died No supervisor saw how"),
    ],
)  # fmt: skip
def test_an_ended_process_says_how_it_ended(admin_client: Client, ended: str, words: str) -> None:
    worker = rows.worker_process(stopped_at=timezone.now(), ended=ended)
    assert words in get(admin_client, WORKERS).text
    assert words in get(admin_client, page_of(worker)).text
    assert words in get(admin_client, WORKERS, ended="yes").text
    assert "web-1" not in get(admin_client, WORKERS, ended="no").text


def test_a_process_is_shown_with_the_version_of_its_code(admin_client: Client) -> None:
    rows.worker_process("a", code_version="4f2a9c01d2e3")
    rows.worker_process("b")
    text = get(admin_client, WORKERS).text
    assert "a:4121 4f2a9c01d2e3" in text
    assert "b:4121 version not known" in text


# --- Requests ---


def staff(*permissions: str) -> User:
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def request_of(worker: WorkerProcess, name: str) -> str:
    return reverse(f"admin:tasks_workerprocess_{name}", args=[worker.pk])


def test_a_request_asks_first_and_is_written_into_the_row(admin_client: Client) -> None:
    worker = rows.worker_process()
    rows.task("acting.held", status="processing", worker_id=worker.pk, started_at=timezone.now())
    question = get(admin_client, request_of(worker, "quiet")).text
    assert "Let web-1:4121 take nothing new?" in question
    assert "No other worker takes tasks: all new ones wait." in question
    assert "acting.held" in question
    for name, wanted, state in (
        ("quiet", "quiet", "Living is asked"),
        ("resume", "", "Living"),
        ("stop", "stop", "Stopping"),
    ):
        answer = admin_client.post(request_of(worker, name), follow=True)
        worker.refresh_from_db()
        assert worker.wanted == wanted
        assert state in Page(answer.content.decode()).text
    entries = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert list(entries) == ["Asked to take nothing new.", "Asked to work again.", "Asked to stop."]
    acts = AuditEntry.objects.order_by("pk").values_list("verb", "name", "target")
    assert list(acts) == [(verb, "admin", f"worker:{worker.pk}") for verb in ("quiet", "resume", "stop")]
    history = reverse("admin:tasks_workerprocess_history", args=[worker.pk])
    assert "Asked to stop." in get(admin_client, history).text


def test_a_quiet_process_offers_to_work_again(admin_client: Client) -> None:
    worker = rows.worker_process(wanted="quiet", is_quiet=True)
    page = get(admin_client, page_of(worker))
    assert "Quiet takes nothing new" in page.text
    assert request_of(worker, "resume") in page.html
    assert request_of(worker, "stop") in page.html
    assert request_of(worker, "quiet") not in page.html


@pytest.mark.parametrize("values", [{"stopped_at": timezone.now()}, {"kind": "relay"}, {"wanted": "stop"}])
def test_a_process_that_cannot_be_asked_is_left_as_it_is(admin_client: Client, values: dict[str, Any]) -> None:
    worker = rows.worker_process(**values)
    assert request_of(worker, "stop") not in get(admin_client, page_of(worker)).html
    before = WorkerProcess.objects.values().get()
    for method in (admin_client.get, admin_client.post):
        assert "is left as it is" in Page(method(request_of(worker, "quiet"), follow=True).content.decode()).text
    assert WorkerProcess.objects.values().get() == before


def test_read_only_staff_see_no_buttons_and_are_refused(client: Client) -> None:
    worker = rows.worker_process()
    client.force_login(staff("view_workerprocess"))
    assert "/stop/" not in get(client, page_of(worker)).html
    for name in ("quiet", "resume", "stop"):
        assert client.post(request_of(worker, name)).status_code == 403
        assert client.get(request_of(worker, name)).status_code == 403
    worker.refresh_from_db()
    assert worker.wanted == ""


def test_the_pages_take_as_many_statements_however_many_tasks_run(admin_client: Client) -> None:
    worker = rows.worker_process()
    rows.task(status="processing", worker_id=worker.pk, started_at=timezone.now())
    few = [len(statements(admin_client, address)) for address in (WORKERS, page_of(worker))]
    for number in range(12):
        another = rows.worker_process(f"web-{number}")
        for pk in (worker.pk, another.pk):
            rows.task(status="processing", worker_id=pk, started_at=timezone.now())
    assert [len(statements(admin_client, address)) for address in (WORKERS, page_of(worker))] == few
