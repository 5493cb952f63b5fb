"""The list of tasks: its rows, tabs, words and saved views."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import search, states
from apps.tasks.models import SavedView
from apps.tasks.search.anchor import Anchor
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db

TASKS = reverse("admin:tasks_taskstatus_changelist")
VIEWS = reverse("admin:tasks_taskstatus_views")


def cells(page: Page) -> list[list[str]]:
    """Return the texts of the rows, cell by cell."""
    body = page.html.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [" ".join(unescape(re.sub(r"<[^>]*>", " ", cell)).split()) for cell in row.split("<td>")[1:]]
        for row in body.split("<tr>")[1:]
    ]


def tabs(page: Page) -> dict[str, str]:
    found = re.findall(r'<a href="[^"]*"[^>]*>(\w+) <b>([^<]*)</b></a>', page.html)
    return dict(found)


def test_a_row_says_what_is_known_of_a_task(admin_client: Client) -> None:
    now = timezone.now()
    jane = User.objects.create_user("jane")
    document = rows.document("Mansfield Park")
    task = rows.task(
        about=document, owner=jane, args=[7], kwargs={"force": True}, queue_name="slow", priority=10, retries=3,
        options={"max_retries": 7}, status=states.FAILED, error_type="app.mail.MailRefusedError",
        error_message="550 no", run_at=now - timedelta(minutes=9), started_at=now - timedelta(minutes=7),
        finished_at=now,
    )  # fmt: skip
    type(task).objects.filter(pk=task.pk).update(created_at=now - timedelta(hours=3))

    assert cells(get(admin_client, TASKS)) == [
        [
            "", "Failed", "documents.process_document document_id=7, force=true MailRefusedError: 550 no",
            "Mansfield Park jane", "slow 10", "4 of 8", "2 min 0 s", "7 min 0 s", "3 h ago",
        ]
    ]  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("kwargs", {"x": "y" * 5_000}, "long arguments"),
        ("args", ["<b>\u202e🙂"], 'document_id="<b>\u202e🙂"'),
        ("kwargs", {"token": "abc"}, 'token="***"'),
        ("kwargs", {"x": 10**4_000}, "long arguments"),
        ("args", {"not": "a list"}, ""),
        ("kwargs", [1], ""),
        ("options", [1], ""),
        ("options", {"max_retries": "many"}, ""),
    ],
    ids=ascii,
)  # fmt: skip
def test_odd_arguments_are_text(admin_client: Client, column: str, value: object, text: str) -> None:
    values: dict[str, Any] = {column: value}
    rows.task(**values)

    [[_box, _state, name, *_others]] = cells(get(admin_client, TASKS))

    assert name == f"documents.process_document {text}".strip()


def test_a_row_is_light_whatever_its_task_holds(admin_client: Client) -> None:
    for number in range(50):
        text = f"Chapter {number} of the <b>book</b> " * 10_000
        rows.task(
            "projects.generate_project_report", about=rows.document(f"Document {number}" * 9), args=[number],
            kwargs={"report_type": "summary", "note": text}, status=states.FAILED, error_type="app.errors.BookError",
            error_message=text, traceback=text, progress_text="p" * 255, owner=User.objects.create_user(f"u-{number}"),
        )  # fmt: skip

    html = get(admin_client, TASKS).html
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]

    assert body.count("<tr>") == 50
    assert len(body.encode()) / 50 < 1_200


def test_tabs_count_tasks_by_what_they_wait_for(admin_client: Client) -> None:
    later = timezone.now() + timedelta(days=1)
    rows.task()
    rows.task()
    rows.task(delayed=True, run_at=later)
    rows.task(delayed=True, run_at=later, retries=1)
    rows.task(in_line=True, line="")
    rows.task(status=states.PROCESSING)
    for status in states.TERMINAL:
        rows.task(status=status, finished_at=timezone.now())

    counts = {
        "Waiting": "2", "Delayed": "1", "Retrying": "1", "Limited": "1", "Running": "1", "Done": "1", "Failed": "1",
        "Cancelled": "1",
    }  # fmt: skip
    page = get(admin_client, TASKS)
    assert tabs(page) == counts
    for title, count in counts.items():
        [href] = re.findall(rf'<a href="([^"]*)"[^>]*>{title} <b>', page.html)
        assert len(cells(get(admin_client, f"{TASKS}{unescape(href)}"))) == int(count), title


def test_tabs_count_up_to_a_limit_of_rows(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEWEST", 3)
    monkeypatch.setattr("apps.tasks.search.search.NEWEST", 3)
    monkeypatch.setattr("apps.tasks.admin.task_list.tabs.MOST", 2)
    for status in (states.PENDING, states.PENDING, states.FAILED):
        for _ in range(2):
            rows.task(status=status)
    rows.task(status=states.FAILED)

    found = tabs(get(admin_client, TASKS))

    assert (found["Waiting"], found["Failed"], found["Running"]) == ("2+", "2+", "0")


def test_words_that_are_on_are_removed_one_by_one(admin_client: Client) -> None:
    rows.task(status=states.FAILED, queue_name="slow")
    page = get(admin_client, TASKS, q='state:failed queue:slow "two words"')

    chips = re.findall(r'<a class="tasks-chip" href="([^"]*)" aria-label="([^"]*)"', page.html)

    assert [(unescape(href), unescape(label)) for href, label in chips] == [
        ("?q=queue%3Aslow+%22two+words%22", "Remove state:failed"),
        ("?q=state%3Afailed+%22two+words%22", "Remove queue:slow"),
        ("?q=state%3Afailed+queue%3Aslow", 'Remove "two words"'),
    ]


def test_the_pages_and_the_order_keep_the_search(admin_client: Client) -> None:
    for _ in range(60):
        rows.task(status=states.FAILED)
    page = get(admin_client, TASKS, state="failed", o="1")

    links = [unescape(href) for href in re.findall(r'href="(\?[^"]*)"', page.html)]

    assert [link for link in links if "p=2" in link and "q=state%3Afailed" in link and "o=1" in link]
    assert len(cells(get(admin_client, TASKS, q="state:failed", o="1", p="2"))) == 10


def test_a_limited_search_says_so(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    rows.task()
    assert "Searched:" not in get(admin_client, TASKS, q="queue:default").text

    monkeypatch.setattr(Anchor, "first", lambda self, rows, count: (rows, True))
    assert "Searched: the newest 10,000 tasks." in get(admin_client, TASKS, q="queue:default").text
    assert "Searched:" not in get(admin_client, TASKS, q="state:failed").text


def test_a_search_takes_as_many_statements_whatever_it_finds(admin_client: Client) -> None:
    for query in ("state:failed", "queue:default error:KeyError", "arg.document_id:1", "text"):
        rows.task(status=states.FAILED, error_type="KeyError", error_message="text", kwargs={"document_id": 1})
        few = statements(admin_client, TASKS, q=query)
        for _ in range(10):
            rows.task(status=states.FAILED, error_type="KeyError", error_message="text", kwargs={"document_id": 1})
        assert len(statements(admin_client, TASKS, q=query)) == len(few) <= 18
    for _ in range(10):
        rows.task(error_message="text")
    # The rows of one page of several are found by their keys.
    assert len(statements(admin_client, TASKS, q=query)) == len(few) + 1


# --- Saved views ---------------------------------------------------------------------------------


def test_a_search_is_saved_under_a_name_and_deleted(admin_client: Client) -> None:
    saved = admin_client.post(VIEWS, {"q": "state:failed  queue:slow", "name": " Slow \x00 failures "}, follow=True)
    assert "The view &quot;Slow \ufffd failures&quot; was saved." in saved.content.decode()
    [view] = SavedView.objects.all()
    assert (view.line, view.is_shared) == ("state:failed queue:slow", False)

    admin_client.post(VIEWS, {"q": "state:done", "name": view.name, "is_shared": "on"})
    [view] = SavedView.objects.all()
    assert (view.line, view.is_shared) == ("state:done", True)
    assert f'<a href="?q=state%3Adone" title="Shared">{view.name}</a>' in get(admin_client, TASKS).html

    admin_client.post(VIEWS, {"delete": str(view.pk)})
    assert not SavedView.objects.exists()


@pytest.mark.once
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"q": "", "name": "x"}, "Search for something first"),
        ({"q": "stat:failed", "name": "x"}, "Unknown word"),
        ({"q": "state:failed"}, "A view needs a name of 1 to 60 characters"),
        ({"q": "state:failed", "name": "x" * 61}, "A view needs a name of 1 to 60 characters"),
        ({"q": "state:failed " * 99, "name": "x"}, "at most 1,000 are allowed"),
        ({"delete": "x"}, ""),
        ({"delete": "9" * 19}, ""),
    ],
)
def test_a_wrong_view_is_refused_with_a_sentence(admin_client: Client, form: dict[str, str], error: str) -> None:
    response = admin_client.post(VIEWS, form, follow=True)

    assert response.status_code == 200
    assert error in response.content.decode()
    assert not SavedView.objects.exists()


def test_views_of_others_are_not_seen_and_not_deleted(admin_client: Client, client: Client) -> None:
    admin = User.objects.get()
    mine = SavedView.objects.create(user=admin, name="Mine alone", line="state:failed")
    SavedView.objects.create(user=admin, name="For all", line="state:done", is_shared=True)
    rosa = User.objects.create_user("rosa", is_staff=True)
    rosa.user_permissions.set(Permission.objects.filter(codename="view_taskstatus"))
    client.force_login(rosa)

    text = get(client, TASKS).text
    assert "Mine alone" not in text
    assert "For all" in text
    client.post(VIEWS, {"delete": str(mine.pk)})
    client.post(VIEWS, {"q": "state:failed", "name": "x", "is_shared": "on"})
    assert sorted(SavedView.objects.values_list("name", flat=True)) == ["For all", "Mine alone"]


def test_a_user_has_so_many_views(admin_client: Client) -> None:
    user = User.objects.get()
    SavedView.objects.bulk_create(SavedView(user=user, name=f"View {n}", line="state:failed") for n in range(50))

    admin_client.post(VIEWS, {"q": "state:failed", "name": "One more"})
    admin_client.post(VIEWS, {"q": "state:done", "name": "View 7"})

    assert SavedView.objects.count() == 50
    assert SavedView.objects.get(name="View 7").line == "state:done"
