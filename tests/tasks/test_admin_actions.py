"""Cancelling and retrying tasks, on the admin's list and on a task's page. Other actions are in `test_admin_verbs`."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import audit, ledger, states
from apps.tasks.models import AuditEntry, TaskKey, TaskStatus
from tests import rows
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

TASKS = reverse("admin:tasks_taskstatus_changelist")
ACTIONS = ["cancel", "retry"]
#: State of a task that the action applies to.
MAY_START = {"cancel": states.PENDING, "retry": states.FAILED}


def page_of(task: TaskStatus, action: str = "change") -> str:
    return reverse(f"admin:tasks_taskstatus_{action}", args=[task.pk])


def status_of(task: TaskStatus) -> str:
    task.refresh_from_db()
    return task.status


def post(client: Client, address: str, form: Mapping[str, object] | None = None) -> Page:
    response = client.post(address, form or {}, follow=True)
    assert response.status_code == 200, f"{address} answered {response.status_code}"
    return Page(response.content.decode())


def ask(client: Client, action: str, *tasks: TaskStatus, address: str = TASKS, **form: object) -> Page:
    """Run the action on selected tasks and return the page."""
    return post(client, address, {"action": action, "_selected_action": [task.pk for task in tasks], **form})


def confirm(client: Client, page: Page, *, address: str = TASKS, **answers: str) -> Page:
    """Submit the form of the confirmation as it is, but for the answers."""
    form: dict[str, list[str]] = {}
    for tag, attributes in page.elements:
        if tag == "input" and attributes.get("type") == "hidden" and attributes["name"] != "csrfmiddlewaretoken":
            form.setdefault(str(attributes["name"]), []).append(str(attributes["value"]))
    assert "is_confirmed" in form, "it asks"
    return post(client, address, {**form, **answers})


def do(client: Client, action: str, *tasks: TaskStatus, address: str = TASKS, **form: object) -> Page:
    return confirm(client, ask(client, action, *tasks, address=address, **form), address=address)


def staff_who_may(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def tasks_of_every_state() -> dict[str, TaskStatus]:
    return {status: rows.task(f"a.{status}", status=status) for status in states.STATES}


# --- Selected tasks ------------------------------------------------------------------------------


def test_selected_tasks_are_cancelled_after_a_confirmation(admin_client: Client) -> None:
    chosen, other = [rows.task("a.chosen"), rows.task("a.chosen")], rows.task("a.other")

    page = ask(admin_client, "cancel", *chosen)
    assert "Cancel 2 tasks?" in page.text
    assert "2 tasks wait and are cancelled at once." in page.text
    assert page.text.count("a.chosen") == 2
    assert {status_of(task) for task in chosen} == {states.PENDING}, "nothing happens before the confirmation"

    assert "2 tasks were cancelled." in confirm(admin_client, page).text
    assert {status_of(task) for task in chosen} == {states.CANCELLED}
    assert status_of(other) == states.PENDING


def test_selected_tasks_are_retried_and_the_relay_finds_them(admin_client: Client) -> None:
    values: dict[str, Any] = {"error_message": "ConnectionRefusedError", "retries": 3, "finished_at": timezone.now()}
    failed = rows.task(status=states.FAILED, **values)
    cancelled = rows.task(status=states.CANCELLED, cancel_requested_at=timezone.now(), **values)

    page = ask(admin_client, "retry", failed, cancelled)
    assert "Retry 2 tasks?" in page.text
    assert "ConnectionRefusedError" in page.text
    assert ledger.take_due(limit=9) == []

    assert "2 tasks were retried." in confirm(admin_client, page).text
    assert {row.pk for row in ledger.take_due(limit=9)} == {failed.pk, cancelled.pk}
    for task in (failed, cancelled):
        assert status_of(task) == states.PENDING
        assert (task.attempt, task.retries, task.error_message, task.finished_at) == (1, 0, "", None)


@pytest.mark.parametrize(
    ("action", "did", "left"),
    [
        ("cancel", ["1 task was cancelled.", "1 task is held by a worker, so its cancellation was requested."],
         ["3 tasks are left as they are", "1 has completed", "1 has failed", "1 was cancelled already"]),
        ("retry", ["2 tasks were retried."],
         ["3 tasks are left as they are", "1 waits already", "1 is held by a worker already", "1 has completed"]),
    ],
)  # fmt: skip
def test_the_answer_says_how_many_took_and_why_the_others_did_not(
    admin_client: Client, action: str, did: list[str], left: list[str]
) -> None:
    page = ask(admin_client, action, *tasks_of_every_state().values())
    for words in left:
        assert words in page.text, "the confirmation says so too"

    text = confirm(admin_client, page).text
    for words in [*did, *left]:
        assert words in text


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_that_applies_to_no_task_asks_for_no_confirmation(admin_client: Client, action: str) -> None:
    page = ask(admin_client, action, rows.task(status=states.COMPLETED), rows.task(status=states.COMPLETED))

    assert "2 tasks are left as they are: they have completed." in page.text
    assert not page.with_attribute("name", "is_confirmed")
    assert not AuditEntry.objects.exists()


def test_a_task_that_changed_since_the_confirmation_is_left_as_it_is(admin_client: Client) -> None:
    early, late = rows.task(), rows.task()
    page = ask(admin_client, "cancel", early, late)
    TaskStatus.objects.filter(pk=early.pk).update(status=states.COMPLETED)

    text = confirm(admin_client, page).text

    assert "1 task was cancelled." in text
    assert "1 task is left as it is: it has completed." in text
    assert status_of(early) == states.COMPLETED


@pytest.mark.parametrize("action", ACTIONS)
def test_tasks_that_were_deleted_meanwhile_break_nothing(admin_client: Client, action: str) -> None:
    task = rows.task(status=MAY_START[action])
    page = ask(admin_client, action, task)
    task.delete()

    assert "deleted" in confirm(admin_client, page).text


def test_the_cancellation_of_a_held_task_is_requested_and_explained(admin_client: Client) -> None:
    held = rows.task(status=states.PROCESSING, started_at=timezone.now(), worker_id=uuid.uuid4())

    page = do(admin_client, "cancel", held)

    assert "held by a worker, so its cancellation was requested" in page.text
    assert "interrupted as soon as" in page.text
    assert "was cancelled" not in page.text
    assert status_of(held) == states.PROCESSING
    assert held.cancel_requested_at is not None
    asked_at = held.cancel_requested_at
    again = ask(admin_client, "cancel", held)
    assert "The task is left as it is: it is being cancelled already." in again.text
    held.refresh_from_db()
    assert held.cancel_requested_at == asked_at


@pytest.mark.parametrize("action", ACTIONS)
def test_each_tasks_page_tells_who_did_what_and_why(admin_client: Client, admin_user: User, action: str) -> None:
    tasks = tasks_of_every_state()

    page = ask(admin_client, action, *tasks.values())
    confirm(admin_client, page, reason="The printer is back.")

    told = {status: [act.text for act in audit.of(task)] for status, task in tasks.items()}
    assert {status: texts for status, texts in told.items() if texts} == {
        "cancel": {"pending": ["Cancelled"], "processing": ["Cancellation requested"]},
        "retry": {"failed": ["Retried"], "cancelled": ["Retried"]},
    }[action]
    assert AuditEntry.objects.count() == 1, "an entry for all"
    for status, texts in told.items():
        page = get(admin_client, page_of(tasks[status]))
        assert ("Who did what" in page.text) == bool(texts)
        if texts:
            assert f"{texts[0]} by {admin_user} (admin), with 1 other task" in page.text
            assert "The printer is back." in page.text


# --- All tasks of the list -----------------------------------------------------------------------


def test_all_tasks_that_match_are_taken_whatever_the_number_of_pages(admin_client: Client) -> None:
    for number in range(60):
        rows.task(f"a.{number}", status=states.FAILED)
    kept = [rows.task("b.kept", status=states.FAILED), rows.task("a.done", status=states.COMPLETED)]
    address = f"{TASKS}?q=a."

    page = ask(admin_client, "retry", TaskStatus.objects.get(task_name="a.0"), address=address, select_across="1")
    assert "Retry 60 tasks?" in page.text
    assert "and 50 more" in page.text
    assert "1 task is left as it is: it has completed." in page.text

    assert "60 tasks were retried." in confirm(admin_client, page, address=address).text
    assert TaskStatus.objects.filter(status=states.PENDING).count() == 60
    assert [status_of(task) for task in kept] == [states.FAILED, states.COMPLETED]


def test_a_task_that_comes_after_the_confirmation_is_left_as_it_is(admin_client: Client) -> None:
    meant = rows.task()
    page = ask(admin_client, "cancel", meant, select_across="1")
    new = rows.task()

    assert "The task was cancelled." in confirm(admin_client, page).text
    assert (status_of(meant), status_of(new)) == (states.CANCELLED, states.PENDING)


@pytest.mark.once
@pytest.mark.parametrize("newest", ["", "x", "-1", "²", "9" * 5_000, "9" * 30])
def test_a_form_without_its_newest_task_asks_for_a_confirmation_again(admin_client: Client, newest: str) -> None:
    task = rows.task()

    page = ask(admin_client, "cancel", task, select_across="1", is_confirmed="1", newest=newest)

    assert page.with_attribute("name", "is_confirmed")
    assert status_of(task) == states.PENDING


@pytest.mark.parametrize("action", ACTIONS)
def test_many_are_written_in_pages_and_as_many_statements_whatever_a_pages_size(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    def updates(count: int) -> int:
        TaskStatus.objects.all().delete()
        TaskStatus.objects.bulk_create(
            TaskStatus(task_id=f"bulk-{number}", task_name="a.b", status=MAY_START[action], run_at=timezone.now())
            for number in range(count)
        )
        page = ask(admin_client, action, TaskStatus.objects.earliest("pk"), select_across="1")
        with CaptureQueriesContext(connection) as captured:
            assert f"{count} tasks were" in confirm(admin_client, page).text
        made = [query["sql"] for query in captured.captured_queries]
        return len([sql for sql in made if sql.startswith('UPDATE "tasks_taskstatus"')])

    monkeypatch.setattr(ledger, "PAGE", 40)
    assert updates(20) == updates(40) == 1
    assert updates(100) == 3


# --- Locked rows ---------------------------------------------------------------------------------


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


def test_a_task_whose_unique_key_an_unfinished_task_has_is_not_retried(admin_client: Client) -> None:
    ended, free, other = (
        rows.task(status=status, options={"unique": status}) for status in ("failed", "cancelled", "pending")
    )
    TaskKey.objects.create(key="failed", task_id=other.task_id)

    text = confirm(admin_client, ask(admin_client, "retry", ended, free)).text

    assert "1 task is left as it is: it has the unique key of an unfinished task." in text
    assert [status_of(task) for task in (ended, free)] == ["failed", "pending"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_locked_row_delays_no_other_and_is_reported(admin_client: Client, action: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks no rows")
    locked, free = (rows.task(status=MAY_START[action]) for _ in range(2))
    page = ask(admin_client, action, locked, free)

    with locked_by_another(locked):
        text = confirm(admin_client, page).text

    assert "1 task was" in text
    assert "1 task is left as it is: it is locked by another transaction (try again)." in text
    assert status_of(locked) == MAY_START[action]
    assert status_of(free) != MAY_START[action]


@pytest.mark.django_db(transaction=True)
def test_a_page_that_cannot_be_logged_is_not_done_either(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [rows.task() for _ in range(3)]
    page = ask(admin_client, "cancel", *tasks)
    monkeypatch.setattr(ledger, "PAGE", 2)
    note_more = audit.note_more

    def fail_at_the_oldest(entry: AuditEntry, changed: dict[str, set[int]]) -> None:
        assert transaction.get_connection().in_atomic_block
        if tasks[0].pk in set().union(*changed.values()):
            raise RuntimeError("no log")
        note_more(entry, changed)

    monkeypatch.setattr(audit, "note_more", fail_at_the_oldest)
    with pytest.raises(RuntimeError, match="no log"):
        confirm(admin_client, page)

    assert [status_of(task) for task in tasks] == ["pending", "cancelled", "cancelled"]
    assert [len(audit.of(task)) for task in tasks] == [0, 1, 1]


# --- One task ------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        (states.PENDING, ["Cancel"]),
        (states.PROCESSING, ["Cancel"]),
        (states.COMPLETED, []),
        (states.FAILED, ["Retry"]),
        (states.CANCELLED, ["Retry"]),
    ],
)
def test_a_tasks_page_has_the_buttons_of_the_actions_that_apply(
    admin_client: Client, status: str, buttons: list[str]
) -> None:
    task = rows.task(status=status)

    page = get(admin_client, page_of(task))

    titles = {"cancel": "Cancel", "retry": "Retry"}
    assert [titles[action] for action in ACTIONS if page.with_attribute("href", page_of(task, action))] == buttons
    assert [title for title in titles.values() if title in map(str.strip, page.texts)] == buttons


def test_a_task_is_cancelled_and_retried_on_its_page(admin_client: Client) -> None:
    task = rows.task("a.b", run_at=timezone.now() + timedelta(hours=1))

    asked = get(admin_client, page_of(task, "cancel"))
    assert "Cancel this task?" in asked.text
    assert "The task waits and is cancelled at once." in asked.text
    assert asked.with_attribute("href", page_of(task)), "there is a way back"
    assert asked.with_attribute("name", "csrfmiddlewaretoken")
    assert status_of(task) == states.PENDING
    assert "The task was cancelled." in post(admin_client, page_of(task, "cancel")).text
    assert status_of(task) == states.CANCELLED

    assert "Retry this task?" in get(admin_client, page_of(task, "retry")).text
    assert status_of(task) == states.CANCELLED
    assert "The task was retried." in post(admin_client, page_of(task, "retry")).text
    assert status_of(task) == states.PENDING
    assert [act.verb for act in audit.of(task)] == ["retry", "cancel"]


def test_a_running_tasks_page_says_that_its_cancellation_was_requested(client: Client) -> None:
    task = rows.task(status=states.PROCESSING, cancel_requested_at=timezone.now())
    staff = staff_who_may(client, "change_taskstatus", "cancel_taskstatus")

    page = get(staff, page_of(task))

    assert "Cancellation requested" in page.text
    assert not page.with_attribute("href", page_of(task, "cancel"))


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_that_does_not_apply_any_more_says_so_on_the_page(admin_client: Client, action: str) -> None:
    task = rows.task(status=states.COMPLETED)

    for response in (
        admin_client.get(page_of(task, action), follow=True),
        admin_client.post(page_of(task, action), follow=True),
    ):
        assert response.redirect_chain == [(page_of(task), 302)]
        assert "The task is left as it is: it has completed." in Page(response.content.decode()).text


@pytest.mark.parametrize("action", ACTIONS)
def test_a_missing_task_is_reported_as_on_every_page(admin_client: Client, action: str) -> None:
    for key in (99_999, 10**30):
        address = reverse(f"admin:tasks_taskstatus_{action}", args=[key])
        for response in (admin_client.get(address), admin_client.post(address)):
            assert (response.status_code, response.headers["Location"]) == (302, reverse("admin:index"))


# --- Permissions ---------------------------------------------------------------------------------


def test_a_user_who_may_only_view_sees_no_button_and_can_do_nothing(client: Client) -> None:
    tasks = {action: rows.task(status=MAY_START[action]) for action in ACTIONS}
    staff = staff_who_may(client, "view_taskstatus")

    assert not get(staff, TASKS).with_attribute("name", "action")
    for action, task in tasks.items():
        page = get(staff, page_of(task))
        assert "Cancel" not in page.text
        assert "Retry" not in page.text
        assert staff.get(page_of(task, action)).status_code == 403
        assert staff.post(page_of(task, action)).status_code == 403
        staff.post(TASKS, {"action": action, "_selected_action": task.pk, "is_confirmed": "1", "index": "0"})
        staff.post(TASKS, {"action": action, "_selected_action": task.pk, "is_confirmed": "1"})
        assert status_of(task) == MAY_START[action]
    assert not AuditEntry.objects.exists()


@pytest.mark.once
@pytest.mark.parametrize("action", ACTIONS)
def test_only_signed_in_staff_get_that_far(client: Client, action: str) -> None:
    task = rows.task(status=MAY_START[action])
    client.force_login(User.objects.create_user("emily"))

    for who in (client, Client()):
        for response in (who.get(page_of(task, action)), who.post(page_of(task, action))):
            assert response.status_code == 302
            assert response.headers["Location"].startswith(reverse("admin:login"))
    assert status_of(task) == MAY_START[action]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_permission_for_an_action_is_enough(client: Client, action: str) -> None:
    first, second = (rows.task(status=MAY_START[action]) for _ in range(2))
    staff = staff_who_may(client, "view_taskstatus", f"{action}_taskstatus")

    do(staff, action, first)
    post(staff, page_of(second, action))

    assert MAY_START[action] not in (status_of(first), status_of(second))


@pytest.mark.parametrize("action", ACTIONS)
def test_it_takes_a_post_with_the_token_of_a_form(admin_user: User, action: str) -> None:
    task = rows.task(status=MAY_START[action])
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)

    assert strict.post(page_of(task, action)).status_code == 403
    form = {"action": action, "_selected_action": task.pk, "is_confirmed": "1"}
    assert strict.post(TASKS, form).status_code == 403
    assert strict.get(page_of(task, action)).status_code == 200
    assert strict.head(page_of(task, action)).status_code == 200
    assert status_of(task) == MAY_START[action]


@pytest.mark.once
@pytest.mark.parametrize("action", ACTIONS)
def test_text_of_a_task_is_escaped_on_the_confirmation(admin_client: Client, action: str) -> None:
    script = "<script>alert(1)</script>"
    task = rows.task(script, status=MAY_START[action], error_message=script)

    for page in (ask(admin_client, action, task), get(admin_client, page_of(task, action))):
        assert script not in page.html
        assert "alert(1)" in page.text
