"""The admin's list of tasks and the page of one task."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import states
from apps.tasks.admin import elements, theme
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.models import TaskStatus
from apps.tasks.search import STATES
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db

TASKS = reverse("admin:tasks_taskstatus_changelist")
SCRIPT = "<script>alert(1)</script>"


def page_of(task: TaskStatus) -> str:
    return reverse("admin:tasks_taskstatus_change", args=[task.pk])


def names(page: Page) -> list[str]:
    """Return the names of the tasks on the list, in its order."""
    return re.findall(r'<td><a href="[^"]*/change/">([^<]*)</a>', page.html)


def staff_who_may(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


# --- The list ------------------------------------------------------------------------------------


def test_an_empty_list_says_that_there_are_no_tasks_yet(admin_client: Client) -> None:
    assert "No tasks yet" in get(admin_client, TASKS).text


def test_a_list_in_which_nothing_matches_says_so(admin_client: Client) -> None:
    rows.task()

    for query in ({"q": "nothing-like-it"}, {"state": "failed"}, {"worker": "0" * 32}):
        text = get(admin_client, TASKS, **query).text
        assert "Nothing matches" in text
        assert "No tasks yet" not in text


@pytest.mark.once
@pytest.mark.parametrize("status", states.STATES)
def test_the_list_shows_a_task_of_every_state(admin_client: Client, status: str) -> None:
    rows.task("documents.process_document", status=status, progress=37, started_at=timezone.now())

    page = get(admin_client, TASKS)

    assert names(page) == ["documents.process_document"]
    word = {"pending": "waiting", "processing": "running", "completed": "done"}.get(status, status)
    assert f">{STATES[word].title}</b>" in page.html


def test_the_newest_task_comes_first_unless_the_oldest_is_asked_for(admin_client: Client) -> None:
    for name in ("a.first", "b.second", "c.third"):
        rows.task(name)
    created = 1  # The column. The first one has the boxes that select a row.

    assert names(get(admin_client, TASKS)) == ["c.third", "b.second", "a.first"]
    assert names(get(admin_client, TASKS, o=str(created))) == ["a.first", "b.second", "c.third"]


def test_the_list_offers_no_order_that_has_no_index(admin_client: Client) -> None:
    rows.task()

    for address, orders in ((TASKS, ["1"]), (f"{TASKS}?o=1", ["-1"])):
        page = get(admin_client, address)
        assert re.findall(r"[?;]o=(-?[\d.]+)", "".join(page.html.split("<thead>")[1])) == orders


def test_progress_is_a_bar_that_assistive_technology_can_read(admin_client: Client) -> None:
    rows.task("a.b", status=states.PROCESSING, progress=37)

    [bar] = [attributes for tag, attributes in get(admin_client, TASKS).elements if tag == "progress"]

    assert (bar["value"], bar["max"], bar["aria-label"]) == ("37", "100", "Progress of a.b")


def test_a_row_shows_the_step_the_waiting_time_or_the_error_of_its_task(admin_client: Client) -> None:
    rows.task(status=states.PROCESSING, progress_text="Chapter 3 of 61")
    error = {"error_type": "KeyError", "error_message": "'isbn'"}
    rows.task(status=states.FAILED, progress_text="Chapter 5 of 61", **error)
    rows.task(run_at=timezone.now() + timedelta(days=900))

    text = get(admin_client, TASKS).text

    assert "Chapter 3 of 61" in text
    assert "KeyError: 'isbn'" in text
    assert "Chapter 5 of 61" not in text
    assert "Not before" in text


def test_a_long_error_is_cut_in_the_list(admin_client: Client) -> None:
    rows.task(status=states.FAILED, error_message="x" * 100_000)

    assert len(get(admin_client, TASKS).html) < 70_000


# --- Its cost ------------------------------------------------------------------------------------


def fill(count: int) -> None:
    """Make tasks of many owners, about many objects of two types, some of them deleted."""
    for number in range(count):
        project = rows.project(f"Project {number}", owner=f"user-{number}")
        about = project if number % 2 else rows.document(f"Document {number}", project=project)
        rows.task(about=about, owner=project.owner, status=states.FAILED, error_message="x", traceback="y")
    rows.task(related_object_type="documents.Document", related_object_id=99_999)
    rows.task(related_object_type="gone.Model", related_object_id=1)


def test_a_list_takes_as_many_statements_whatever_its_length(admin_client: Client) -> None:
    fill(2)
    few = statements(admin_client, TASKS)
    fill(30)

    assert len(statements(admin_client, TASKS)) == len(few) <= 18


def test_the_list_reads_no_large_columns(admin_client: Client) -> None:
    fill(2)

    [read] = [sql for sql in statements(admin_client, TASKS) if "progress_text" in sql]

    for column in ("args", "kwargs", "options", "result", "error_message", "traceback"):
        assert not re.search(rf'(?<!\()"tasks_taskstatus"\."{column}"[, ]', read.partition(" FROM ")[0])
    assert "error_start" in read


def test_the_list_never_counts_the_whole_table(admin_client: Client) -> None:
    fill(2)

    for query in ({}, {"state": "failed"}, {"q": "nothing"}, {"q": "arg.x:1 state:done"}, {"_facets": "True"}):
        made = statements(admin_client, TASKS, **query)
        counts = [sql for sql in made if "COUNT(" in sql.upper() and "tasks_taskstatus" in sql]
        assert len(counts) <= 10
        assert [sql for sql in counts if not re.search(r"LIMIT (1001|10001)\b", sql)] == []


def test_a_count_that_reaches_the_cap_is_not_given_as_the_number_of_rows(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CappedPaginator, "cap", 3)
    for _ in range(3):
        rows.task()
    assert "3 tasks" in get(admin_client, TASKS).text

    rows.task()
    assert "the first 3 of more tasks" in get(admin_client, TASKS).text


def test_the_second_page_goes_on_where_the_first_ends(admin_client: Client) -> None:
    for number in range(60):
        rows.task(f"task-{number:02}")

    first, second = (names(get(admin_client, TASKS, p=str(page))) for page in (1, 2))

    assert (first[0], first[-1], second[0], second[-1]) == ("task-59", "task-10", "task-09", "task-00")


def test_filters_know_their_choices_without_reading_the_table(admin_client: Client) -> None:
    rows.task("a.task_that_is_not_declared", queue_name="elsewhere")

    page = get(admin_client, TASKS)

    assert not [sql for sql in statements(admin_client, TASKS) if "DISTINCT" in sql.upper()]
    choices = {attributes.get("value") for tag, attributes in page.elements if tag == "option"}
    assert {"queue:documents", "state:failed", "finished:1h", "arg.document_id:7"} <= choices
    assert "<option>documents.process_document</option>" in page.html
    assert not [choice for choice in choices if choice and ("elsewhere" in choice or "not_declared" in choice)]


# --- Finding tasks -------------------------------------------------------------------------------


@pytest.fixture
def various() -> None:
    rows.task("a.waits", queue_name="slow")
    rows.task("a.works", status=states.PROCESSING)
    rows.task("b.failed", status=states.FAILED, error_message="ValueError: chapter 7")
    old = rows.task("b.done", status=states.COMPLETED, queue_name="slow", finished_at=timezone.now())
    TaskStatus.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))


@pytest.mark.usefixtures("various")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status__exact": "failed"}, ["b.failed"]),
        ({"status__exact": ["pending", "completed"]}, ["b.done", "a.waits"]),
        ({"state": "failed"}, ["b.failed"]),
        ({"q": "state:failed"}, ["b.failed"]),
        ({"q": "state:failed chapter", "state": "running"}, []),
        ({"q": "state:failed chapter", "state": ""}, ["b.failed"]),
        ({"actor": "a.works"}, ["a.works"]),
        ({"task": "a.works"}, ["a.works"]),
        ({"queue": "slow"}, ["b.done", "a.waits"]),
        ({"created": "day"}, ["b.failed", "a.works", "a.waits"]),
        ({"created": "week"}, ["b.done", "b.failed", "a.works", "a.waits"]),
        ({"queue": "slow", "status__exact": "pending"}, ["a.waits"]),
        ({"task": "", "queue": "", "created": ""}, ["b.done", "b.failed", "a.works", "a.waits"]),
        ({"q": "chapter 7"}, ["b.failed"]),
        ({"q": "a."}, ["a.works", "a.waits"]),
    ],
    ids=str,
)
def test_tasks_are_found(admin_client: Client, query: dict[str, Any], found: list[str]) -> None:
    assert names(get(admin_client, TASKS, **query)) == found


def test_a_task_id_is_looked_up_by_its_index(admin_client: Client) -> None:
    task = rows.task("a.wanted")
    rows.task("a.other", error_message=f"after {task.task_id}")

    asked = statements(admin_client, TASKS, q=f" {task.task_id} ")

    assert names(get(admin_client, TASKS, q=f" {task.task_id} ")) == ["a.wanted"]
    assert not [sql for sql in asked if "LIKE" in sql.upper()]


@pytest.mark.once
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"q": "stat:failed"}, "Unknown word 'stat', must be one of: state, actor,"),
        ({"created": "nonsense"}, "'nonsense' is no span of sent, must be like 30m, 3h"),
        ({"status__exact": "lost"}, "Unknown state 'lost', must be one of: waiting,"),
        ({"kwargs__token__startswith": "a"}, "Unknown word 'kwargs__token__startswith'"),
        ({"owner__password__startswith": "a"}, "Unknown word 'owner__password__startswith'"),
        ({"related_object_id": "7"}, "is no object, must be like document/7"),
        ({"q": 'error:"abc'}, "has no end"),
    ],
    ids=str,
)
def test_a_wrong_search_finds_nothing_and_says_why(admin_client: Client, query: dict[str, str], error: str) -> None:
    rows.task(kwargs={"token": "abc"})

    page = get(admin_client, TASKS, **query)

    assert error in page.text
    assert names(page) == []
    assert "Nothing matches" not in page.text


def test_the_tasks_of_an_object_or_a_worker_can_be_listed(admin_client: Client) -> None:
    document, worker = rows.document(), rows.worker_process()
    rows.task("a.about_it", about=document)
    rows.task("a.held_by_it", worker_id=worker.pk)
    rows.task("a.other")

    about = get(admin_client, TASKS, related_object_type="documents.Document", related_object_id=str(document.pk))

    assert names(about) == ["a.about_it"]
    assert names(get(admin_client, TASKS, worker_id__exact=str(worker.pk))) == ["a.held_by_it"]


# --- What a task is about ------------------------------------------------------------------------


def test_the_related_object_is_named_and_linked_on_list_and_page(admin_client: Client) -> None:
    document = rows.document("Mansfield Park")
    task = rows.task(about=document)
    link = f'<a href="{reverse("admin:documents_document_change", args=[document.pk])}" '

    for address in (TASKS, page_of(task)):
        page = get(admin_client, address)
        assert link in page.html
        assert "Mansfield Park" in page.text


@pytest.mark.once
@pytest.mark.parametrize("label", ["gone.Model", "documents.Manuscript", "nonsense", "too.many.dots", "."])
def test_a_related_type_that_has_no_page_is_named_without_a_link(admin_client: Client, label: str) -> None:
    task = rows.task(related_object_type=label, related_object_id=17)

    for address in (TASKS, page_of(task)):
        page = get(admin_client, address)
        assert f"{label.rpartition('.')[2]} 17".strip() in page.text
        assert "/17/change/" not in page.html


def test_a_deleted_object_is_crossed_out(admin_client: Client) -> None:
    rows.task(related_object_type="documents.Document", related_object_id=17)

    assert '<del title="Deleted">Document 17</del>' in get(admin_client, TASKS).html


def test_a_user_who_may_not_see_documents_does_not_learn_their_titles(client: Client) -> None:
    task = rows.task(about=rows.document("Secret memoirs"))
    staff = staff_who_may(client, "view_taskstatus")

    for address in (TASKS, page_of(task)):
        page = get(staff, address)
        assert "Secret memoirs" not in page.html
        assert f"Document {task.related_object_id}" in page.text


# --- The page ------------------------------------------------------------------------------------


def test_a_page_shows_all_that_is_known_of_a_task(admin_client: Client) -> None:
    now = timezone.now()
    task = rows.task(
        "projects.generate_project_report", status=states.COMPLETED, progress=100, progress_text="All told",
        args=[5], kwargs={"report_type": "summary", "who": "Brontë"}, options={"max_retries": 7},
        result={"words": 122_189}, owner=User.objects.create_user("emily"), queue_name="slow", priority=-3,
        claimed_at=now, started_at=now, finished_at=now + timedelta(seconds=75), retries=2,
        expires_at=now + timedelta(hours=1), cancel_requested_at=now,
    )  # fmt: skip

    text = get(admin_client, page_of(task)).text

    for expected in (
        "projects.generate_project_report", task.task_id, "Completed", "All told", "project_id 5",
        'report_type "summary"',
        'who "Brontë"', "7 at most", '"words": 122189', "emily", "slow", "-3", "1 min 15 s", "Expires",
        "Cancellation requested", "Timeline (UTC)",
    ):  # fmt: skip
        assert expected in text


def test_a_page_of_a_snoozed_task_shows_how_often_and_until_when(admin_client: Client) -> None:
    task = rows.task(snoozes=41, delayed=True, run_at=timezone.make_aware(datetime(2100, 2, 3, 4, 5, 6)))
    text = get(admin_client, page_of(task)).text
    assert "Snoozes 41" in text
    assert "Not before 3 Feb 2100, 04:05:06" in text
    assert "Snoozes" not in get(admin_client, page_of(rows.task())).text


@pytest.mark.once
@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("pending", "Waiting"), ("processing", "Running"), ("completed", "Done"), ("failed", "Failed"),
        ("cancelled", "Cancelled"),
    ],
)  # fmt: skip
def test_a_page_shows_a_task_of_which_little_is_known(admin_client: Client, status: str, word: str) -> None:
    """Its state is called as in the list."""
    page = get(admin_client, page_of(rows.task(status=status)))
    state = theme.label(word, kind=elements.STATUS_KINDS[status])
    assert f"<p>{state} <strong>" in page.html
    assert len(page.with_attribute("role", "progressbar")) == 1


@pytest.mark.once
def test_long_arguments_are_indented_and_stay_whole(admin_client: Client) -> None:
    value = [f"Chapter {number} & more" for number in range(50)]
    task = rows.task(kwargs={"titles": value, "empty": {}})

    block, message = [text for text in get(admin_client, page_of(task)).texts if "Chapter 49" in text]

    assert json.loads(block) == value
    assert '\n  "Chapter 0' in block
    assert json.loads(message)["kwargs"] == {"titles": value, "empty": {}}


def test_a_page_lists_the_attempts_that_did_not_complete(admin_client: Client) -> None:
    worker = rows.worker_process()
    task = rows.task(status=states.FAILED, error_message="Third error", traceback="Third traceback", attempt=2)
    task.error_type = "app.errors.BookError"
    task.save()
    for attempt, word in enumerate(("First", "Second")):
        task.attempts.create(
            attempt=attempt, outcome="retry", error_type="KeyError", error_message=f"{word} error",
            traceback=f"{word} traceback",
            worker_id=worker.pk, started_at=task.run_at, ended_at=task.run_at + timedelta(seconds=42),
        )  # fmt: skip

    page = get(admin_client, page_of(task))

    for text in ("KeyError: First error", "KeyError: Second error", "app.errors.BookError: Third error"):
        assert text in page.text
    for word in ("First", "Second", "Third"):
        assert f"{word} traceback" in page.text
    assert page.text.index("First error") < page.text.index("Second error")
    assert "42 s" in page.text
    assert reverse("admin:tasks_workerprocess_change", args=[worker.pk]) in page.html


def test_a_page_takes_as_many_statements_whatever_the_number_of_attempts(admin_client: Client) -> None:
    task = rows.task(about=rows.document(), owner=User.objects.create_user("emily"))

    def with_attempts(count: int) -> int:
        known = task.attempts.count()
        for attempt in range(known, count):
            task.attempts.create(attempt=attempt, outcome="retry", error_message="x", ended_at=task.run_at)
        return len(statements(admin_client, page_of(task)))

    assert with_attempts(1) == with_attempts(9)


def test_many_attempts_are_folded_but_for_the_last_ones(admin_client: Client) -> None:
    task = rows.task()
    for attempt in range(60):
        task.attempts.create(attempt=attempt, outcome="retry", error_message=f"#{attempt}#", ended_at=task.run_at)

    page = get(admin_client, page_of(task))

    assert "45 earlier attempts" in page.text
    folded = page.html.split("45 earlier attempts")[1].split("</details>")[0]
    assert "#54#" in folded
    assert "#55#" not in folded
    assert "#59#" in page.text
    assert "#9#" not in page.text


def test_there_is_no_page_of_a_task_that_does_not_exist(admin_client: Client) -> None:
    for key in ("99999", "nonsense"):
        response = admin_client.get(reverse("admin:tasks_taskstatus_change", args=[key]))
        assert (response.status_code, response.headers["Location"]) == (302, reverse("admin:index"))


# --- Nothing is edited here ----------------------------------------------------------------------


def test_a_waiting_task_cannot_be_added_changed_or_deleted(admin_client: Client) -> None:
    task = rows.task()
    before = TaskStatus.objects.values().get(pk=task.pk)

    for address, form in {
        reverse("admin:tasks_taskstatus_add"): {"task_name": "x"},
        page_of(task): {"status": "completed"},
    }.items():
        assert admin_client.post(address, form).status_code == 403
    admin_client.post(reverse("admin:tasks_taskstatus_delete", args=[task.pk]), {"post": "yes"})
    admin_client.post(TASKS, {"action": "delete_selected", "_selected_action": task.pk, "post": "yes"})

    assert TaskStatus.objects.values().get() == before


def test_pages_offer_nothing_to_add_edit_or_delete(admin_client: Client) -> None:
    task = rows.task()
    task.attempts.create(attempt=0, outcome="retry", ended_at=task.run_at)

    for address in (TASKS, page_of(task)):
        page = get(admin_client, address)
        assert not page.with_attribute("name", "_save")
        assert not page.with_attribute("value", "delete_selected")
        assert not re.search(r'href="[^"]*/(add|delete)/"', page.html.split('id="content"')[-1])


def test_staff_without_the_permission_see_no_tasks(client: Client) -> None:
    task = rows.task()
    staff = staff_who_may(client, "view_document")

    assert staff.get(TASKS).status_code == 403
    assert staff.get(page_of(task)).status_code == 403


# --- Nothing that a task holds becomes HTML ------------------------------------------------------


@pytest.fixture
def hostile() -> TaskStatus:
    """A task with a script in every text."""
    task = rows.task(
        SCRIPT, status=states.FAILED, about=rows.document(SCRIPT), progress_text=SCRIPT, error_message=SCRIPT,
        traceback=SCRIPT, args=[SCRIPT, {SCRIPT: [SCRIPT]}], kwargs={SCRIPT: SCRIPT}, options={SCRIPT: SCRIPT},
        queue_name=SCRIPT, owner=User.objects.create_user(SCRIPT), result={SCRIPT: SCRIPT},
    )  # fmt: skip
    task.attempts.create(attempt=0, outcome="retry", error_message=SCRIPT, traceback=SCRIPT, ended_at=timezone.now())
    return task


def assert_only_text(page: Page) -> None:
    assert SCRIPT not in page.html
    assert "alert(1)" in page.text
    assert [tag for tag, _ in page.elements].count("script") == page.html.count("</script>")


@pytest.mark.once
@pytest.mark.parametrize("status", states.STATES)
def test_values_of_a_task_are_escaped_on_list_and_page(admin_client: Client, hostile: TaskStatus, status: str) -> None:
    TaskStatus.objects.update(status=status)

    assert_only_text(get(admin_client, TASKS))
    assert_only_text(get(admin_client, page_of(hostile)))


@pytest.mark.once
@pytest.mark.parametrize("parameter", ["q", "task", "queue", "created", "status__exact", "task_name", "o", "p"])
def test_the_query_of_the_address_is_escaped(admin_client: Client, hostile: TaskStatus, parameter: str) -> None:
    response = admin_client.get(TASKS, {parameter: f'"{SCRIPT}'}, follow=True)

    html = response.content.decode()
    assert response.status_code == 200
    assert SCRIPT not in html
    assert not re.search(r'<[^>]*""[^>]*alert', html)


def test_a_related_type_is_text(admin_client: Client) -> None:
    task = rows.task(related_object_type=f"a.{SCRIPT}", related_object_id=1)

    assert_only_text(get(admin_client, TASKS))
    assert_only_text(get(admin_client, page_of(task)))


def test_the_list_is_read_in_the_order_of_its_index(admin_client: Client) -> None:
    TaskStatus.objects.bulk_create(
        TaskStatus(task_id=f"bulk-{number}", task_name="a.b", run_at=timezone.now()) for number in range(2_000)
    )
    [read] = [sql for sql in statements(admin_client, TASKS) if 'AS "key"' in sql]

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE tasks_taskstatus")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{read}")
        plan = "\n".join(str(row) for row in cursor.fetchall())

    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(
    "line", ["", "text", "finished:1h text", *(f"state:{name} text" for name in STATES if name != "held")]
)
def test_no_search_sorts_what_an_index_has_in_order(admin_client: Client, line: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL sorts a small table")
    # Few are held: their ids are a list.
    rows.task(status="completed", finished_at=timezone.now())
    found = [sql for sql in statements(admin_client, TASKS, q=line) if "tasks_taskstatus" in sql]
    assert found

    with connection.cursor() as cursor:
        for sql in found:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert "TEMP B-TREE FOR ORDER BY" not in str(cursor.fetchall()), sql
