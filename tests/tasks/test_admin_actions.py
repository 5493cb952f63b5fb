"""Calling off tasks and sending them again, on the admin's list and on a task's page."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import ledger, states
from apps.tasks.admin import actions as verbs
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

TASKS = reverse("admin:tasks_taskstatus_changelist")
VERBS = ["call_off", "send_again"]
#: A task that the verb can be done to.
STEERABLE = {"call_off": states.PENDING, "send_again": states.FAILED}


def page_of(task: TaskStatus, verb: str = "change") -> str:
    return reverse(f"admin:tasks_taskstatus_{verb}", args=[task.pk])


def status_of(task: TaskStatus) -> str:
    task.refresh_from_db()
    return task.status


def post(client: Client, address: str, form: dict[str, object] | None = None) -> Page:
    response = client.post(address, form or {}, follow=True)
    assert response.status_code == 200, f"{address} answered {response.status_code}"
    return Page(response.content.decode())


def ask(client: Client, verb: str, *tasks: TaskStatus, address: str = TASKS, **form: object) -> Page:
    """What one sees who runs the action on selected tasks."""
    return post(client, address, {"action": verb, "_selected_action": [task.pk for task in tasks], **form})


def confirm(client: Client, page: Page, *, address: str = TASKS) -> Page:
    """Send the form that asks whether one is sure, as it is."""
    form: dict[str, list[str]] = {}
    for tag, attributes in page.elements:
        if tag == "input" and attributes.get("type") == "hidden" and attributes["name"] != "csrfmiddlewaretoken":
            form.setdefault(str(attributes["name"]), []).append(str(attributes["value"]))
    assert "is_sure" in form, "it asks"
    return post(client, address, form)


def do(client: Client, verb: str, *tasks: TaskStatus, address: str = TASKS, **form: object) -> Page:
    return confirm(client, ask(client, verb, *tasks, address=address, **form), address=address)


def staff_who_may(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def tasks_of_every_state() -> dict[str, TaskStatus]:
    return {status: rows.task(f"a.{status}", status=status) for status in states.STATES}


# --- Selected tasks ------------------------------------------------------------------------------


def test_selected_tasks_are_called_off_once_one_is_sure(admin_client: Client) -> None:
    chosen, other = [rows.task("a.chosen"), rows.task("a.chosen")], rows.task("a.other")

    page = ask(admin_client, "call_off", *chosen)
    assert "Call off 2 tasks?" in page.text
    assert "2 tasks wait: they are called off at once." in page.text
    assert page.text.count("a.chosen") == 2
    assert {status_of(task) for task in chosen} == {states.PENDING}, "nothing is done before one is sure"

    assert "2 tasks were called off." in confirm(admin_client, page).text
    assert {status_of(task) for task in chosen} == {states.CANCELLED}
    assert status_of(other) == states.PENDING


def test_selected_tasks_are_sent_again_and_the_relay_finds_them(admin_client: Client) -> None:
    values = {"error_message": "ConnectionRefusedError", "retries": 3, "finished_at": timezone.now()}
    failed = rows.task(status=states.FAILED, **values)
    cancelled = rows.task(status=states.CANCELLED, cancel_requested_at=timezone.now(), **values)

    page = ask(admin_client, "send_again", failed, cancelled)
    assert "Send 2 tasks again?" in page.text
    assert "ConnectionRefusedError" in page.text
    assert ledger.take_due(limit=9) == []

    assert "2 tasks were sent again." in confirm(admin_client, page).text
    assert {row.pk for row in ledger.take_due(limit=9)} == {failed.pk, cancelled.pk}
    for task in (failed, cancelled):
        assert status_of(task) == states.PENDING
        assert (task.attempt, task.retries, task.error_message, task.finished_at) == (1, 0, "", None)


@pytest.mark.parametrize(
    ("verb", "did", "left"),
    [
        ("call_off", ["1 task was called off.", "1 task is held by a worker and was asked to stop."],
         ["3 tasks are left as they are", "1 has completed", "1 has failed", "1 was called off already"]),
        ("send_again", ["2 tasks were sent again."],
         ["3 tasks are left as they are", "1 waits already", "1 is held by a worker already", "1 has completed"]),
    ],
)  # fmt: skip
def test_it_is_said_how_many_took_and_why_the_others_did_not(
    admin_client: Client, verb: str, did: list[str], left: list[str]
) -> None:
    page = ask(admin_client, verb, *tasks_of_every_state().values())
    for words in left:
        assert words in page.text, "one knows it before"

    text = confirm(admin_client, page).text
    for words in [*did, *left]:
        assert words in text


@pytest.mark.parametrize("verb", VERBS)
def test_where_nothing_can_be_done_nobody_is_asked(admin_client: Client, verb: str) -> None:
    page = ask(admin_client, verb, rows.task(status=states.COMPLETED), rows.task(status=states.COMPLETED))

    assert "2 tasks are left as they are: they have completed." in page.text
    assert not page.with_attribute("name", "is_sure")
    assert not LogEntry.objects.exists()


def test_what_changed_since_one_was_asked_is_left_as_it_is(admin_client: Client) -> None:
    early, late = rows.task(), rows.task()
    page = ask(admin_client, "call_off", early, late)
    TaskStatus.objects.filter(pk=early.pk).update(status=states.COMPLETED)

    text = confirm(admin_client, page).text

    assert "1 task was called off." in text
    assert "1 task is left as it is: it has completed." in text
    assert status_of(early) == states.COMPLETED


@pytest.mark.parametrize("verb", VERBS)
def test_tasks_that_were_deleted_meanwhile_break_nothing(admin_client: Client, verb: str) -> None:
    task = rows.task(status=STEERABLE[verb])
    page = ask(admin_client, verb, task)
    task.delete()

    assert "deleted" in confirm(admin_client, page).text


def test_a_held_task_is_asked_to_stop_and_it_is_said_what_that_means(admin_client: Client) -> None:
    held = rows.task(status=states.PROCESSING, started_at=timezone.now(), worker_id=uuid.uuid4())

    page = do(admin_client, "call_off", held)

    assert "held by a worker and was asked to stop" in page.text
    assert "not interrupted" in page.text
    assert "was called off" not in page.text
    assert status_of(held) == states.PROCESSING
    assert held.cancel_requested_at is not None
    asked_at = held.cancel_requested_at
    again = ask(admin_client, "call_off", held)
    assert "The task is left as it is: it was asked to stop already." in again.text
    held.refresh_from_db()
    assert held.cancel_requested_at == asked_at


@pytest.mark.parametrize("verb", VERBS)
def test_each_task_has_it_in_its_history_who_did_what(admin_client: Client, admin_user: User, verb: str) -> None:
    tasks = tasks_of_every_state()

    do(admin_client, verb, *tasks.values())

    logged = {int(entry.object_id): entry.change_message for entry in LogEntry.objects.filter(user=admin_user)}
    assert (
        logged
        == {
            "call_off": {tasks["pending"].pk: "Called off.", tasks["processing"].pk: "Asked to stop."},
            "send_again": {tasks["failed"].pk: "Sent again.", tasks["cancelled"].pk: "Sent again."},
        }[verb]
    )
    [key, *_] = logged
    page = get(admin_client, reverse("admin:tasks_taskstatus_history", args=[key]))
    assert logged[key] in page.text


# --- All tasks of the list -----------------------------------------------------------------------


def test_all_tasks_that_match_are_taken_whatever_the_number_of_pages(admin_client: Client) -> None:
    for number in range(60):
        rows.task(f"a.{number}", status=states.FAILED)
    kept = [rows.task("b.kept", status=states.FAILED), rows.task("a.done", status=states.COMPLETED)]
    address = f"{TASKS}?q=a."

    page = ask(admin_client, "send_again", TaskStatus.objects.get(task_name="a.0"), address=address, select_across="1")
    assert "Send 60 tasks again?" in page.text
    assert "and 50 more" in page.text
    assert "1 task is left as it is: it has completed." in page.text

    assert "60 tasks were sent again." in confirm(admin_client, page, address=address).text
    assert TaskStatus.objects.filter(status=states.PENDING).count() == 60
    assert [status_of(task) for task in kept] == [states.FAILED, states.COMPLETED]


def test_what_comes_after_one_was_asked_was_not_meant(admin_client: Client) -> None:
    meant = rows.task()
    page = ask(admin_client, "call_off", meant, select_across="1")
    new = rows.task()

    assert "The task was called off." in confirm(admin_client, page).text
    assert (status_of(meant), status_of(new)) == (states.CANCELLED, states.PENDING)


@pytest.mark.parametrize("newest", ["", "x", "-1", "²", "9" * 5_000, "9" * 30])
def test_who_does_not_say_which_are_all_is_asked_again(admin_client: Client, newest: str) -> None:
    task = rows.task()

    page = ask(admin_client, "call_off", task, select_across="1", is_sure="1", newest=newest)

    assert page.with_attribute("name", "is_sure")
    assert status_of(task) == states.PENDING


def test_no_more_are_taken_at_once_than_the_limit_and_it_is_said(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "LIMIT", 3)
    tasks = [rows.task() for _ in range(5)] + [rows.task(status=states.COMPLETED) for _ in range(4)]

    page = ask(admin_client, "call_off", tasks[0], select_across="1")
    assert "Call off 3 tasks?" in page.text
    assert "These are the newest 3: more are not taken at once." in page.text
    assert "More than 3 other tasks are left as they are." in page.text
    done = confirm(admin_client, page)

    assert "3 tasks were called off." in done.text
    assert "These were the newest 3. Do it again for the others." in done.text
    assert [status_of(task) for task in tasks[:5]] == ["pending"] * 2 + ["cancelled"] * 3
    assert "2 tasks were called off." in do(admin_client, "call_off", tasks[0], select_across="1").text


@pytest.mark.parametrize("verb", VERBS)
def test_many_are_written_in_pages_and_as_many_statements_whatever_a_pages_size(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def updates(count: int) -> int:
        TaskStatus.objects.all().delete()
        TaskStatus.objects.bulk_create(
            TaskStatus(task_id=f"bulk-{number}", task_name="a.b", status=STEERABLE[verb], run_at=timezone.now())
            for number in range(count)
        )
        page = ask(admin_client, verb, TaskStatus.objects.earliest("pk"), select_across="1")
        with CaptureQueriesContext(connection) as captured:
            assert f"{count} tasks were" in confirm(admin_client, page).text
        made = [query["sql"] for query in captured.captured_queries]
        return len([sql for sql in made if sql.startswith('UPDATE "tasks_taskstatus"')])

    monkeypatch.setattr(ledger, "PAGE", 40)
    assert updates(20) == updates(40) == 1
    assert updates(100) == 3


# --- Rows that somebody has locked ---------------------------------------------------------------


@contextmanager
def locked_by_another(task: TaskStatus) -> Iterator[None]:
    """An open transaction in another connection has the row."""
    other = connections.create_connection("default")
    other.settings_dict = connection.settings_dict
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM tasks_taskstatus WHERE id = %s FOR UPDATE", [task.pk])
        yield
    finally:
        other.rollback()
        other.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", VERBS)
def test_a_locked_row_holds_up_nobody_and_is_told(admin_client: Client, verb: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks no rows")
    locked, free = (rows.task(status=STEERABLE[verb]) for _ in range(2))
    page = ask(admin_client, verb, locked, free)

    with locked_by_another(locked):
        text = confirm(admin_client, page).text

    assert "1 task was" in text
    assert "1 task is left as it is: it is being written by somebody else (try again)." in text
    assert status_of(locked) == STEERABLE[verb]
    assert status_of(free) != STEERABLE[verb]


@pytest.mark.django_db(transaction=True)
def test_a_page_that_cannot_be_logged_is_not_done_either(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [rows.task() for _ in range(3)]
    page = ask(admin_client, "call_off", *tasks)
    monkeypatch.setattr(ledger, "PAGE", 2)
    log = verbs._log

    def fail_at_the_oldest(row_ids: set[int], **values: object) -> None:
        assert transaction.get_connection().in_atomic_block
        if tasks[0].pk in row_ids:
            raise RuntimeError("no log")
        log(row_ids, **values)

    monkeypatch.setattr(verbs, "_log", fail_at_the_oldest)
    with pytest.raises(RuntimeError, match="no log"):
        confirm(admin_client, page)

    assert [status_of(task) for task in tasks] == ["pending", "cancelled", "cancelled"]
    assert LogEntry.objects.count() == 2


# --- One task ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        (states.PENDING, ["Call off"]),
        (states.PROCESSING, ["Call off"]),
        (states.COMPLETED, []),
        (states.FAILED, ["Send again"]),
        (states.CANCELLED, ["Send again"]),
    ],
)
def test_a_tasks_page_has_the_buttons_for_what_can_be_done(
    admin_client: Client, status: str, buttons: list[str]
) -> None:
    task = rows.task(status=status)

    page = get(admin_client, page_of(task))

    titles = {"call_off": "Call off", "send_again": "Send again"}
    assert [titles[verb] for verb in VERBS if page.with_attribute("href", page_of(task, verb))] == buttons
    assert [title for title in titles.values() if title in page.text] == buttons


def test_a_task_is_called_off_and_sent_again_on_its_page(admin_client: Client) -> None:
    task = rows.task("a.b", run_at=timezone.now() + timedelta(hours=1))

    asked = get(admin_client, page_of(task, "call_off"))
    assert "Call off this task?" in asked.text
    assert "The task waits: it is called off at once." in asked.text
    assert asked.with_attribute("href", page_of(task)), "there is a way back"
    assert asked.with_attribute("name", "csrfmiddlewaretoken")
    assert status_of(task) == states.PENDING
    assert "The task was called off." in post(admin_client, page_of(task, "call_off")).text
    assert status_of(task) == states.CANCELLED

    assert "Send this task again?" in get(admin_client, page_of(task, "send_again")).text
    assert status_of(task) == states.CANCELLED
    assert "The task was sent again." in post(admin_client, page_of(task, "send_again")).text
    assert status_of(task) == states.PENDING
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == ["Called off.", "Sent again."]


def test_a_running_tasks_page_says_that_it_was_asked_to_stop(client: Client) -> None:
    task = rows.task(status=states.PROCESSING, cancel_requested_at=timezone.now())
    staff = staff_who_may(client, "change_taskstatus")

    page = get(staff, page_of(task))

    assert "This task was asked to stop." in page.text
    assert not page.with_attribute("href", page_of(task, "call_off"))


@pytest.mark.parametrize("verb", VERBS)
def test_what_cannot_be_done_any_more_is_said_on_the_page(admin_client: Client, verb: str) -> None:
    task = rows.task(status=states.COMPLETED)

    for response in (
        admin_client.get(page_of(task, verb), follow=True),
        admin_client.post(page_of(task, verb), follow=True),
    ):
        assert response.redirect_chain == [(page_of(task), 302)]
        assert "The task is left as it is: it has completed." in Page(response.content.decode()).text


@pytest.mark.parametrize("verb", VERBS)
def test_a_task_that_is_not_there_is_told_as_on_every_page(admin_client: Client, verb: str) -> None:
    for key in (99_999, 10**30):
        address = reverse(f"admin:tasks_taskstatus_{verb}", args=[key])
        for response in (admin_client.get(address), admin_client.post(address)):
            assert (response.status_code, response.url) == (302, reverse("admin:index"))


# --- Who may -------------------------------------------------------------------------------------


def test_who_may_only_look_sees_no_button_and_can_do_nothing(client: Client) -> None:
    tasks = {verb: rows.task(status=STEERABLE[verb]) for verb in VERBS}
    staff = staff_who_may(client, "view_taskstatus")

    assert not get(staff, TASKS).with_attribute("name", "action")
    for verb, task in tasks.items():
        page = get(staff, page_of(task))
        assert "Call off" not in page.text
        assert "Send again" not in page.text
        assert staff.get(page_of(task, verb)).status_code == 403
        assert staff.post(page_of(task, verb)).status_code == 403
        staff.post(TASKS, {"action": verb, "_selected_action": task.pk, "is_sure": "1", "index": "0"})
        staff.post(TASKS, {"action": verb, "_selected_action": task.pk, "is_sure": "1"})
        assert status_of(task) == STEERABLE[verb]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_who_is_not_signed_in_as_staff_gets_that_far(client: Client, verb: str) -> None:
    task = rows.task(status=STEERABLE[verb])
    client.force_login(User.objects.create_user("emily"))

    for who in (client, Client()):
        for response in (who.get(page_of(task, verb)), who.post(page_of(task, verb))):
            assert response.status_code == 302
            assert response.url.startswith(reverse("admin:login"))
    assert status_of(task) == STEERABLE[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_the_permission_to_change_tasks_is_enough(client: Client, verb: str) -> None:
    first, second = (rows.task(status=STEERABLE[verb]) for _ in range(2))
    staff = staff_who_may(client, "change_taskstatus")

    do(staff, verb, first)
    post(staff, page_of(second, verb))

    assert STEERABLE[verb] not in (status_of(first), status_of(second))


@pytest.mark.parametrize("verb", VERBS)
def test_it_takes_a_post_with_the_token_of_a_form(admin_user: User, verb: str) -> None:
    task = rows.task(status=STEERABLE[verb])
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)

    assert strict.post(page_of(task, verb)).status_code == 403
    form = {"action": verb, "_selected_action": task.pk, "is_sure": "1"}
    assert strict.post(TASKS, form).status_code == 403
    assert strict.get(page_of(task, verb)).status_code == 200
    assert strict.head(page_of(task, verb)).status_code == 200
    assert status_of(task) == STEERABLE[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_task_holds_is_text_where_one_is_asked(admin_client: Client, verb: str) -> None:
    script = "<script>alert(1)</script>"
    task = rows.task(script, status=STEERABLE[verb], error_message=script)

    for page in (ask(admin_client, verb, task), get(admin_client, page_of(task, verb))):
        assert script not in page.html
        assert "alert(1)" in page.text
