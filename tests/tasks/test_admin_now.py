"""The dashboard of the admin: trouble, counts, causes, the longest runs and the next schedules."""

import gzip
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import figures, health, states
from apps.tasks.admin.now import part
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.failures import cause_of
from apps.tasks.models import Deploy, Limit, Schedule, TallyMark, TaskStatus
from apps.tasks.schedules import declared
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db

NOW = reverse("admin:index")
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def without_servers(monkeypatch) -> None:
    """Redis is looked at by tests of its own."""
    monkeypatch.setattr(health, "servers", {})


def living() -> None:
    """Let a worker, a relay and a scheduler live."""
    for kind in ("worker", "relay", "scheduler"):
        rows.worker_process(kind=kind, taken_at=timezone.now())


def failed(error_type: str, error: str, *, minutes: float = 1, **values: Any) -> TaskStatus:
    name = values.pop("task_name", "acting.add")
    cause = cause_of(name, error_type, error)
    at = timezone.now() - timedelta(minutes=minutes)
    values = {"error_type": error_type, "error_message": error, "finished_at": at, "started_at": at, **values}
    return rows.task(name, status="failed", cause=cause, **values)


def counts(page: Page) -> dict[str, str]:
    """Return the numbers at the top by their titles."""
    texts = page.html.split('class="now-counts"')[1].split("</ul>")[0]
    items = [Page(item).text.split() for item in texts.split("<li>")[1:]]
    return {title: number for title, number, *_note in items}


def links(page: Page, words: str) -> list[str]:
    """Return the addresses of links to lists of tasks that have these words."""
    return [
        str(attributes["href"])
        for tag, attributes in page.elements
        if tag == "a" and words in str(attributes.get("href"))
    ]


# --- Trouble ---


def test_nothing_is_said_if_all_is_well(admin_client: Client) -> None:
    living()
    declared.update()
    rows.task()
    page = get(admin_client, NOW)
    assert "now-trouble" not in page.html.replace('class="now-troubles"', "")
    for words in ("1 worker", "8 of 8 threads free", "Relay lives", "Scheduler lives"):
        assert words in page.text


@pytest.mark.once
@pytest.mark.parametrize(
    ("dead", "sentence"),
    [
        (["worker", "relay"], "No worker and no relay live: tasks wait. Start manage.py runworker."),
        (["worker"], "No worker lives: tasks wait. Start manage.py runworker."),
        (
            ["relay"],
            "No relay lives: delayed tasks, automatic retries and limited tasks wait. Start manage.py runrelay.",
        ),
        (["scheduler"], "No scheduler lives: schedules send nothing. Start manage.py runscheduler."),
    ],
)
def test_a_process_that_is_missing_is_named_with_the_command_that_starts_it(
    admin_client: Client, dead: list[str], sentence: str
) -> None:
    declared.update()
    for kind in {"worker", "relay", "scheduler"} - set(dead):
        rows.worker_process(kind=kind)
    # Silent for longer than the timeout: dead, whatever its row says.
    for kind in dead:
        rows.worker_process(kind=kind, beat_at=timezone.now() - timedelta(minutes=2))
    assert sentence in get(admin_client, NOW).text


def test_a_queue_that_no_worker_takes_is_named_with_the_wait_of_its_tasks(admin_client: Client) -> None:
    living()
    rows.worker_process(queues=["default"])
    rows.task(queue_name="lost", run_at=timezone.now() - timedelta(minutes=5))
    text = get(admin_client, NOW).text
    assert "No living worker takes the queue lost. Its oldest task has waited for 5 min" in text
    assert "Start manage.py runworker --queues lost." in text


@pytest.mark.parametrize(
    ("busy", "words"), [(8, "All threads are busy: wait, or start more workers."), (1, "have free threads")]
)
def test_tasks_that_wait_for_long_are_told_with_the_reason(admin_client: Client, busy: int, words: str) -> None:
    rows.worker_process(kind="relay")
    rows.worker_process(busy_threads=busy, taken_at=timezone.now())
    rows.task(run_at=timezone.now() - timedelta(minutes=5))
    text = get(admin_client, NOW).text
    assert "The oldest task of the queue default has waited for 5 min" in text
    assert words in text


def test_a_worker_that_takes_nothing_is_named(admin_client: Client) -> None:
    living()
    rows.worker_process("stuck-1", trouble="claims")
    text = get(admin_client, NOW).text
    assert "The worker stuck-1:4121 lives and takes nothing. It cannot claim tasks." in text


def test_broken_and_late_schedules_are_named(admin_client: Client) -> None:
    living()
    late = timezone.now() - timedelta(minutes=5)
    common = {"task_name": "aiwriting.debug_task", "anchor_at": late, "decided_until": late}
    Schedule.objects.create(name="tardy", cron="0 8 * * *", next_at=late, **common)
    Schedule.objects.create(name="odd", cron="61 * * * *", next_at=late, **common)
    text = get(admin_client, NOW).text
    assert "The schedule tardy is late." in text
    assert "The schedule odd is broken." in text


def test_a_limit_of_zero_with_waiting_tasks_is_named(admin_client: Client) -> None:
    living()
    Limit.objects.create(task_name="acting.mail", concurrency=0)
    rows.task("acting.mail", line="", in_line=True)
    assert "The limit of acting.mail is 0: 1 of its tasks wait." in get(admin_client, NOW).text


def test_a_server_that_is_away_is_named(admin_client: Client, monkeypatch) -> None:
    living()
    monkeypatch.setattr(health, "servers", {"Redis": lambda: ConnectionError("no"), "Other": lambda: None})
    text = get(admin_client, NOW).text
    assert "Redis does not answer (ConnectionError): tasks are recorded and wait." in text
    assert "Other" not in text


def test_figures_that_stand_still_say_until_when_they_are(admin_client: Client) -> None:
    rows.task()
    while figures.keep_up():
        pass
    TallyMark.objects.update(counted_until=timezone.now() - timedelta(minutes=20))
    assert "The figures end at" in get(admin_client, NOW).text


# --- Numbers ---


def test_each_number_is_a_link_to_the_list_that_has_as_many(admin_client: Client) -> None:
    later = timezone.now() + timedelta(hours=1)
    delayed: dict[str, Any] = {"delayed": True, "run_at": later}
    kinds: list[dict[str, Any]] = [{}, delayed, {**delayed, "retries": 1}, {"in_line": True, "line": ""}]
    for times, values in enumerate(kinds, 1):
        for _ in range(times):
            rows.task(**values)
    rows.task(status="processing", started_at=timezone.now())
    failed("KeyError", "'isbn'")
    for _ in range(2):
        rows.task(status="completed", finished_at=timezone.now())
    rows.task(status="completed", finished_at=timezone.now() - timedelta(hours=2))
    while figures.keep_up():
        pass
    page = get(admin_client, NOW)
    found = counts(page)
    assert found == {
        "Waiting": "1", "Delayed": "2", "Retrying": "3", "Limited": "4", "Running": "1", "Failed": "1", "Done": "2",
    }  # fmt: skip
    tasks = reverse("admin:tasks_taskstatus_changelist")
    addresses = [one["href"] for _tag, one in page.elements if one.get("class") == "now-count"]
    for (title, number), address in zip(found.items(), addresses, strict=True):
        assert str(address).startswith(f"{tasks}?")
        shown = get(admin_client, str(address))
        assert f"{number} task" in shown.text, title
        assert shown.html.count('class="action-select"') == int(number), title


def test_a_search_leads_to_the_list(admin_client: Client) -> None:
    """ "Why is document 7 not done?" takes two steps: the search and the task."""
    task = rows.task("documents.process_document", args=[7])
    page = get(admin_client, NOW)
    [form] = [attributes for tag, attributes in page.elements if tag == "form" and attributes.get("role") == "search"]
    found = get(admin_client, str(form["action"]), q="arg.document_id:7")
    assert links(found, f"/{task.pk}/")


def test_more_waiting_tasks_than_are_counted_are_said_to_be_more(admin_client: Client, monkeypatch) -> None:
    monkeypatch.setattr(CappedPaginator, "cap", 3)
    for _ in range(5):
        rows.task()
    assert counts(get(admin_client, NOW))["Waiting"] == "4+"


def test_a_chart_and_figures_are_shown_for_each_period(admin_client: Client) -> None:
    rows.task(status="completed", started_at=timezone.now(), finished_at=timezone.now())
    while figures.keep_up():
        pass
    for period, bars in (("hour", 60), ("day", 24), ("week", 168), ("nonsense", 60)):
        page = get(admin_client, NOW, period=period)
        assert page.html.split('class="now-room"')[1].split("</g>")[0].count("<rect") == bars
        assert "1 completed and 0 failed" in page.text
        assert len(page.with_attribute("aria-current", "true")) == 1


def test_deploys_are_marked_in_the_chart_with_a_text_and_a_link(admin_client: Client) -> None:
    rows.task(status="completed", started_at=timezone.now(), finished_at=timezone.now())
    for number, (version, minutes) in enumerate((("old", 90), (SCRIPT, 30), ("4f2a9c", 10)), 1):
        Deploy.objects.create(number=number, version=version, at=timezone.now() - timedelta(minutes=minutes))
    page = get(admin_client, NOW)
    assert page.html.count('class="now-deploy"') == 2
    assert SCRIPT not in page.html
    at = timezone.localtime(timezone.now() - timedelta(minutes=10))
    assert f"4f2a9c {at:%H:%M}" in page.text
    assert links(page, "deploy/?number=3")
    assert get(admin_client, NOW, period="day").html.count('class="now-deploy"') == 3


def test_a_single_run_is_told_as_long_as_it_was(admin_client: Client) -> None:
    at = timezone.now()
    rows.task(
        status="completed", run_at=at - timedelta(seconds=9.1), started_at=at - timedelta(seconds=9.1), finished_at=at
    )
    while figures.keep_up():
        pass
    assert "Run half within 9.10 s , 95 % within 9.10 s" in get(admin_client, NOW).text


def test_waits_and_runs_have_a_chart_for_each_period(admin_client: Client) -> None:
    assert 'class="now-half"' not in get(admin_client, NOW).html
    at = timezone.now() - timedelta(minutes=2)
    rows.task(status="completed", run_at=at, started_at=at, finished_at=at + timedelta(seconds=4))
    while figures.keep_up():
        pass
    for period in ("hour", "day", "week"):
        html = get(admin_client, NOW, period=period).html
        assert html.count('class="now-half"') == html.count('class="now-most"') == 2


@pytest.mark.once
def test_the_page_is_small(admin_client: Client) -> None:
    living()
    for hours in range(0, 168, 2):
        at = timezone.now() - timedelta(hours=hours)
        for status in ("completed", "failed"):
            rows.task(status=status, run_at=at, started_at=at, finished_at=at + timedelta(seconds=3))
    while figures.keep_up():
        pass
    for number in range(10):
        failed(f"app.Error{number}Error", "x" * 160)
    for address in (NOW, f"{NOW}?period=week"):
        assert len(get(admin_client, address).html.encode()) < 60_000
    assert len(get(admin_client, reverse("admin:tasks_now"), part=1, period="week").html.encode()) < 40_000


# --- Causes ---


def test_failures_are_grouped_by_their_causes_the_most_frequent_first(admin_client: Client) -> None:
    for number in range(3):
        failed("app.MailRefusedError", f"550 mailbox of user {number}", minutes=number + 1)
    failed("KeyError", "'isbn'")
    failed("KeyError", "'old'", minutes=90, task_name="acting.other")
    text = get(admin_client, NOW).text
    first, second = text.index(" MailRefusedError: 550 mailbox of user 0"), text.index("KeyError: 'isbn'")
    assert first < second
    assert "acting.other" not in text.split("Why it failed")[1].split("Runs longest")[0]


def test_a_cause_leads_to_its_failures_and_to_retrying_them_all(admin_client: Client) -> None:
    mine = [failed("KeyError", f"row {number}") for number in range(3)]
    failed("ValueError", "other")
    failed("KeyError", "row 9", minutes=90)
    page = get(admin_client, NOW)
    [see] = links(page, f"cause={mine[0].cause}")
    assert get(admin_client, see).html.count('class="action-select"') == 3
    [retry] = links(page, f"cause/{mine[0].cause}/retry")
    question = get(admin_client, retry)
    assert "Retry 3 tasks?" in question.text
    hidden = {str(one["name"]): one["value"] for one in question.with_attribute("type", "hidden")}
    later = failed("KeyError", "row 10", minutes=0)
    answer = admin_client.post(retry, hidden, follow=True)
    assert "3 tasks were retried." in Page(answer.content.decode()).text
    assert {task.status for task in TaskStatus.objects.filter(pk__in=[one.pk for one in mine])} == {states.PENDING}
    later.refresh_from_db()
    assert later.status == states.FAILED


@pytest.mark.parametrize(
    "time",
    ["", "yesterday", "2026-99-99", "2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_odd_times_of_another_program_are_taken_for_the_last_hour(admin_client: Client, time: str) -> None:
    task = failed("KeyError", "'isbn'")
    address = reverse("admin:tasks_cause_retry", args=[task.cause])
    assert admin_client.post(address, {"since": time, "until": time}).status_code == 302
    task.refresh_from_db()
    assert task.status == states.PENDING


@pytest.mark.parametrize("place", range(4))
def test_a_failure_with_an_odd_end_hides_no_other(admin_client: Client, place: int) -> None:
    today = timezone.now().strftime("%Y-%m-%d")
    on_sqlite = ["no time", "57866-03-01 00:00:00", f"{today} 99:99:99", f"{today}Tnoon"]
    on_postgresql = ["infinity", "-infinity", "294276-12-31 00:00:00+00", "9999-12-31 23:59:59+00"]
    odd = failed("KeyError", "'isbn'")
    failed("KeyError", "'isbn'")
    with connection.cursor() as cursor:
        text = (on_postgresql if connection.vendor == "postgresql" else on_sqlite)[place]
        cursor.execute("UPDATE tasks_taskstatus SET finished_at = %s WHERE id = %s", [text, odd.pk])
    assert "KeyError: 'isbn'" in get(admin_client, NOW).text


def test_a_cause_of_another_program_that_no_address_can_have_is_not_retried_together(admin_client: Client) -> None:
    task = failed("KeyError", "'isbn'")
    TaskStatus.objects.filter(pk=task.pk).update(cause="a/b")
    page = get(admin_client, NOW)
    assert "KeyError: 'isbn'" in page.text
    assert not links(page, "/retry/")


@pytest.mark.once
def test_hostile_errors_are_shown_as_text(admin_client: Client) -> None:
    failed("ValueError", SCRIPT, task_name=SCRIPT[:30])
    rows.task(SCRIPT, status="processing", started_at=timezone.now(), progress_text=SCRIPT)
    assert SCRIPT not in get(admin_client, NOW).html


# --- Other tables ---


def test_the_longest_runs_are_shown_with_their_progress(admin_client: Client) -> None:
    for minutes in range(7):
        rows.task(
            f"acting.run_{minutes}", status="processing", started_at=timezone.now() - timedelta(minutes=minutes),
            progress=40, progress_text=f"Step {minutes}",
        )  # fmt: skip
    text = get(admin_client, NOW).text.split("Runs longest")[1]
    assert "acting.run_6" in text
    assert "Step 6" in text
    assert "acting.run_1" not in text


def test_a_newcomer_is_told_the_next_step(admin_client: Client) -> None:
    text = get(admin_client, NOW).text
    assert "No tasks yet Send one from your code" in text
    assert "manage.py runworker" in text


def test_actors_are_named_with_their_times(admin_client: Client) -> None:
    at = timezone.now()
    rows.task("acting.slow", status="completed", started_at=at - timedelta(seconds=20), finished_at=at)
    while figures.keep_up():
        pass
    assert "acting.slow 1 - -" in get(admin_client, NOW).text


# --- Who sees it ---


def test_staff_without_the_permission_see_the_usual_index(client: Client) -> None:
    client.force_login(User.objects.create_user("rosa", is_staff=True))
    assert "now-counts" not in get(client, NOW).html
    assert client.get(reverse("admin:tasks_now")).status_code == 403


def test_read_only_staff_see_no_buttons(client: Client) -> None:
    rosa = User.objects.create_user("rosa", is_staff=True)
    rosa.user_permissions.set(Permission.objects.filter(codename="view_taskstatus"))
    client.force_login(rosa)
    task = failed("KeyError", "'isbn'")
    page = get(client, NOW)
    assert links(page, "/retry/") == []
    assert links(page, "cause=")
    assert client.post(reverse("admin:tasks_cause_retry", args=[task.cause])).status_code == 403


def test_names_are_shown_to_those_who_may_see_their_pages(client: Client) -> None:
    living()
    rows.task()
    rows.worker_process("hidden-host", trouble="claims")
    late = timezone.now() - timedelta(minutes=5)
    for name in ("hidden-one", "hidden-two"):
        Schedule.objects.create(
            name=name,
            cron="61 * * * *",
            next_at=late,
            task_name="aiwriting.debug_task",
            anchor_at=late,
            decided_until=late,
        )
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_taskstatus"))
    client.force_login(user)
    page = get(client, NOW)
    assert "hidden-" not in page.html
    assert page.text.count("A schedule is broken.") == 1
    assert "A worker lives and takes nothing." in page.text
    assert "Next schedules" not in page.text
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_taskstatus", "view_schedule"]))
    page = get(client, NOW)
    assert "The schedule hidden-one is broken." in page.text
    assert "Next schedules" in page.text
    assert "hidden-host" not in page.html


def test_workers_that_are_all_quiet_are_told(admin_client: Client) -> None:
    rows.worker_process(wanted="quiet", is_quiet=True)
    rows.worker_process(kind="relay")
    assert "All workers are quiet" in get(admin_client, NOW).text
    living()
    assert "All workers are quiet" not in get(admin_client, NOW).text


# --- Cost ---


def test_a_page_takes_as_many_statements_for_many_rows_as_for_few(admin_client: Client) -> None:
    living()

    def fill(number: int) -> None:
        for one in range(number):
            failed("KeyError", f"{'x' * one}")
            rows.task(status="processing", started_at=timezone.now())
            rows.task()

    fill(1)
    few = statements(admin_client, reverse("admin:tasks_now"))
    fill(8)
    many = statements(admin_client, reverse("admin:tasks_now"))
    assert len(many) == len(few) <= 32


def test_no_statement_reads_the_table(admin_client: Client) -> None:
    rows.task()
    failed("KeyError", "'isbn'")
    found = [sql for sql in statements(admin_client, reverse("admin:tasks_now")) if "tasks_taskstatus" in sql]
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a small table whole")
    with connection.cursor() as cursor:
        for sql in found:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = [row[3] for row in cursor.fetchall()]
            scans = [line for line in plan if line.startswith("SCAN") and "USING" not in line]
            assert not [line for line in scans if line.split()[1] in ("t", "tasks_taskstatus")], (sql, plan)


def test_pages_that_ask_at_the_same_time_share_one_answer(
    admin_client: Client, django_assert_max_num_queries, monkeypatch
) -> None:
    address = reverse("admin:tasks_now")
    part.kept.clear()
    assert counts(get(admin_client, address))["Waiting"] == "0"
    rows.task()
    monkeypatch.setattr(part, "KEPT_SECONDS", 600.0)
    monkeypatch.setattr(part, "FRESH_SECONDS", 600.0)
    with django_assert_max_num_queries(3):
        assert counts(get(admin_client, address, part=1))["Waiting"] == "0"
    with django_assert_max_num_queries(3):
        assert counts(get(admin_client, address))["Waiting"] == "0"
    monkeypatch.setattr(part, "KEPT_SECONDS", -1.0)
    assert counts(get(admin_client, address, part=1))["Waiting"] == "1"


def test_the_page_after_an_act_shows_what_became_of_it(admin_client: Client, monkeypatch) -> None:
    monkeypatch.setattr(part, "FRESH_SECONDS", 600.0)
    part.kept.clear()
    task = failed("KeyError", "'isbn'")
    get(admin_client, NOW)
    address = reverse("admin:tasks_cause_retry", args=[task.cause])
    form = {str(one["name"]): one["value"] for one in get(admin_client, address).with_attribute("type", "hidden")}
    answer = admin_client.post(address, form, follow=True)
    assert counts(Page(answer.content.decode()))["Delayed"] == "1"


def test_while_one_request_makes_the_part_others_get_the_last_one(admin_client: Client, monkeypatch) -> None:
    part.kept.clear()
    address = reverse("admin:tasks_now")
    monkeypatch.setattr(part, "KEPT_SECONDS", 600.0)
    get(admin_client, address, part=1)
    rows.task()
    [last] = part.kept.values()
    part.kept.update((key, replace(last, made_at=last.made_at - 602)) for key in list(part.kept))
    with part.making:
        assert counts(get(admin_client, address, part=1))["Waiting"] == "0"
    assert counts(get(admin_client, address, part=1))["Waiting"] == "1"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_part_is_sent_again_only_if_something_changed(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    living()
    rows.task(status="processing", started_at=timezone.now())
    rows.pause("queue", "documents")
    rows.task(queue_name="documents", run_at=timezone.now() - timedelta(seconds=4))
    monkeypatch.setattr("apps.tasks.admin.etag.STEADY_SECONDS", 10**9)
    assert "Its oldest task has waited for" in get(admin_client, NOW).text
    [root] = get(admin_client, NOW).with_attribute("id", "now")
    address, etag = str(root["data-url"]), str(root["data-etag"])
    headers = {"Accept-Encoding": encoding}
    answer = admin_client.get(address, headers=headers | {"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert unquote(answer["As-Of"]).startswith(f"{timezone.localtime():%-d %b %Y}")
    rows.task()
    answer = admin_client.get(address, headers=headers | {"If-None-Match": etag})
    assert answer.status_code == 200
    shown = gzip.decompress(answer.content) if encoding == "gzip" else answer.content
    assert counts(Page(shown.decode()))["Waiting"] == "2"
    answer = admin_client.get(address, headers=headers | {"If-None-Match": answer["ETag"]})
    assert answer.status_code == 304


def test_no_link_leads_where_the_user_may_not_go(client: Client) -> None:
    living()
    declared.update()
    Schedule.objects.update(next_at=timezone.now() + timedelta(hours=1))
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_taskstatus"))
    client.force_login(user)
    for address in (NOW, f"{reverse('admin:tasks_now')}?part=1"):
        page = get(client, address)
        assert "1 worker" in page.text
        assert links(page, "/workerprocess/") == links(page, "/schedule/") == links(page, "/limit/") == []
    user.user_permissions.add(Permission.objects.get(codename="view_workerprocess"))
    assert links(get(client, f"{reverse('admin:tasks_now')}?part=1"), "/workerprocess/")
