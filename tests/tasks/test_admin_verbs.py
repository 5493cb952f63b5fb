"""Running tasks now, their priority and queue, deletion, and actions on all tasks that match."""

from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.accounts.models import User
from apps.tasks import actions as tasks_actions
from apps.tasks import audit, ledger, permission, states
from apps.tasks.admin import actions
from apps.tasks.errors import Cancelled
from apps.tasks.models import AuditEntry, AuditPage, TallyMark, TaskStatus
from apps.tasks.tasks import act_on_all
from tests import rows
from tests.clients import writer
from tests.pages import Page, get
from tests.tasks.test_admin_actions import TASKS, ask, confirm, page_of, post, staff_who_may, status_of

pytestmark = pytest.mark.django_db

LATER = timedelta(hours=1)


def row_for(action: str, **values: Any) -> TaskStatus:
    """Make a task that the action applies to."""
    return rows.task(**STATES[action]() | values)


STATES: dict[str, Any] = {
    "cancel": dict,
    "retry": lambda: {"status": states.FAILED, "finished_at": timezone.now()},
    "run_now": lambda: {"delayed": True, "run_at": timezone.now() + LATER},
    "priority": dict,
    "queue": dict,
    "delete": lambda: {"status": states.FAILED, "finished_at": timezone.now() - LATER},
}
VALUES = {"priority": "-5", "queue": "slow"}
NEW = pytest.mark.parametrize("action", ["run_now", "priority", "queue", "delete"])
EACH = pytest.mark.parametrize("action", STATES)


def answers(action: str) -> dict[str, str]:
    return {"value": VALUES[action]} if action in VALUES else {}


def all_url(verb: str, **query: str) -> str:
    return f"{reverse('admin:tasks_taskstatus_all')}?{urlencode({'verb': verb, **query})}"


def is_done(task: TaskStatus, action: str) -> bool:
    found = TaskStatus.objects.filter(pk=task.pk).first()
    if found is None:
        return action == "delete"
    return {
        "cancel": found.status == states.CANCELLED,
        "retry": found.status == states.PENDING,
        "run_now": found.run_at <= timezone.now(),
        "priority": found.priority == -5,
        "queue": found.queue_name == "slow",
        "delete": False,
    }[action]


@pytest.fixture(autouse=True)
def counted() -> None:
    """The figures have counted all that ended by now."""
    now = timezone.now()
    TallyMark.objects.create(counted_until=now, settled_until=now, summed_until=now)


def test_every_action_has_words_a_permission_and_a_name_in_the_audit() -> None:
    assert list(actions.BY_NAME) == list(tasks_actions.ACTIONS) == list(STATES)
    assert set(STATES) <= permission.NEEDED.keys()
    assert set(STATES) <= audit.VERBS.keys()


# --- On one and on the selected ones --------------------------------------------------------------


@pytest.mark.once
@EACH
def test_a_tasks_page_has_the_button_and_the_action_asks_first(admin_client: Client, action: str) -> None:
    task = row_for(action)
    assert get(admin_client, page_of(task)).with_attribute("href", page_of(task, action))

    asked = get(admin_client, page_of(task, action))
    assert asked.with_attribute("href", page_of(task)), "there is a way back"
    assert not is_done(task, action)
    post(admin_client, page_of(task, action), {**answers(action), "reason": "It hurts."})

    assert is_done(task, action)
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.row_id, entry.number, entry.reason) == (action, task.pk, 1, "It hurts.")
    assert entry.target == f"{task.task_name} {task.task_id}"
    assert entry.value == VALUES.get(action, "")


@EACH
def test_an_action_is_taken_on_the_selected_tasks_that_it_applies_to(admin_client: Client, action: str) -> None:
    chosen, other = [row_for(action) for _ in range(2)], row_for(action)
    held = rows.task(status=states.PROCESSING, cancel_requested_at=timezone.now())

    page = ask(admin_client, action, *chosen, held)
    text = confirm(admin_client, page, **answers(action)).text

    assert [is_done(task, action) for task in (*chosen, other)] == [True, True, False]
    assert "1 task is left as it is" in text
    assert status_of(held) == states.PROCESSING
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.number, entry.row_id) == (action, 2, None)


def test_a_deleted_task_leads_to_the_list(admin_client: Client) -> None:
    task = row_for("delete")
    response = admin_client.post(page_of(task, "delete"))
    assert response.headers["Location"] == TASKS
    assert "The task was deleted." in get(admin_client, TASKS).text


@pytest.mark.once
@pytest.mark.parametrize(
    ("action", "value", "told"),
    [
        ("priority", "", "This field is required."),
        ("priority", "high", "must be a whole number from -2,147,483,648 to 2,147,483,647"),
        ("priority", "²", "must be a whole number"),
        ("priority", "1.5", "must be a whole number"),
        ("priority", "-9999999999", "must be a whole number"),
        ("queue", "slwo", "is not one of the available choices"),
        ("queue", "", "This field is required."),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence_and_changes_nothing(
    admin_client: Client, action: str, value: str, told: str
) -> None:
    task = rows.task()
    for page in (
        post(admin_client, page_of(task, action), {"value": value}),
        confirm(admin_client, ask(admin_client, action, task), value=value),
        confirm(admin_client, ask(admin_client, action, task, select_across="1"), value=value),
    ):
        assert told in page.text
        assert page.with_attribute("name", "value"), "it asks again"
    task.refresh_from_db()
    assert (task.priority, task.queue_name, task.attempt) == (0, "default", 0)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("text", ["", "slwo", "slow ", "DEFAULT"])
def test_a_queue_must_be_a_declared_one(text: str) -> None:
    with pytest.raises(tasks_actions.BadValueError, match=r"^Unknown queue '.*', must be one of: .*default"):
        tasks_actions.queue_of(text)


@pytest.mark.parametrize(
    ("action", "values", "why"),
    [
        ("run_now", {}, "it is due already, and waits for a worker or for the end of a pause"),
        ("run_now", {"status": states.FAILED}, "it has failed"),
        ("priority", {"priority": -5}, "it has that value already"),
        ("queue", {"queue_name": "slow"}, "it has that value already"),
        ("queue", {"status": states.PROCESSING}, "it is held by a worker already"),
        ("delete", {"status": states.PENDING}, "it is not finished (cancel it first)"),
        ("delete", {"status": states.PROCESSING}, "it is not finished (cancel it first)"),
        ("delete", {"status": states.FAILED, "finished_at": timezone.now() + LATER}, "it ended lately"),
    ],
)
def test_a_task_that_is_left_as_it_is_says_why(
    admin_client: Client, action: str, values: dict[str, Any], why: str
) -> None:
    task = rows.task(**values)
    page = post(admin_client, page_of(task, action), answers(action))
    assert f"The task is left as it is: {why}" in page.text
    assert not AuditEntry.objects.exists()


def test_a_reason_is_shown_as_text(admin_client: Client) -> None:
    task = rows.task()
    script = "<script>alert(1)</script>\u202e"
    page = post(admin_client, page_of(task, "cancel"), {"reason": script})
    assert "<script>alert(1)" not in page.html
    assert "alert(1)" in page.text


# --- On all that match ----------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tasks are too many for one request, and a page has two."""
    monkeypatch.setattr(actions, "LIMIT", 2)
    monkeypatch.setattr(audit, "ROWS", 2)


@EACH
def test_all_that_match_are_acted_on_at_once_while_they_are_few(admin_client: Client, action: str) -> None:
    matching, other = [row_for(action, task_name="a.b") for _ in range(3)], row_for(action)
    address = all_url(action, q="a.b")

    page = get(admin_client, address)
    assert "3 tasks" in page.text
    text = post(admin_client, address, hidden(page) | answers(action)).text

    assert "3 tasks" in text
    assert [is_done(task, action) for task in (*matching, other)] == [True] * 3 + [False]
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.number, entry.query, entry.task_id) == (action, 3, "q=a.b", "")


def hidden(page: Page) -> dict[str, Any]:
    return {
        str(attributes["name"]): attributes["value"]
        for tag, attributes in page.elements
        if tag == "input" and attributes.get("type") == "hidden" and attributes["name"] != "csrfmiddlewaretoken"
    }


@EACH
def test_very_many_are_acted_on_by_a_task_with_progress(admin_client: Client, action: str, few: None) -> None:
    matching, other = [row_for(action, task_name="a.b") for _ in range(5)], row_for(action)

    page = get(admin_client, all_url(action, q="a.b"))
    assert "2+ tasks" in page.text
    assert "A task does it" in page.text
    text = post(admin_client, all_url(action, q="a.b"), hidden(page) | answers(action)).text
    assert "see how far it is" in text

    entry, task = AuditEntry.objects.get(), TaskStatus.objects.get(task_name=act_on_all.actor_name)
    assert (entry.verb, entry.query, entry.total, entry.task_id) == (action, "q=a.b", 5, task.task_id)
    assert not any(is_done(one, action) for one in matching)
    assert act_on_all.fn(*task.args) == f"{audit.VERBS[action]}: 5 tasks, 5 of 5 looked at"
    assert [is_done(one, action) for one in (*matching, other)] == [True] * 5 + [False]
    entry.refresh_from_db()
    assert entry.number == 5
    assert all([act.verb for act in audit.of(one)] == [action] for one in matching)


@pytest.mark.usefixtures("few")
def test_the_task_takes_another_queue_while_its_own_is_paused_and_else_says_that_it_waits(admin_client: Client) -> None:
    def retry_all() -> tuple[str, TaskStatus, str]:
        for _ in range(3):
            row_for("retry")
        page = get(admin_client, all_url("retry"))
        told = post(admin_client, all_url("retry"), hidden(page) | answers("retry")).text
        task = TaskStatus.objects.filter(task_name=act_on_all.actor_name).latest("pk")
        TaskStatus.objects.exclude(task_name=act_on_all.actor_name).delete()
        return page.text, task, told

    starts = "The task starts once default is resumed. default is paused since"
    pause = rows.pause("queue", "default")
    page, task, told = retry_all()
    assert starts in page
    assert starts in told
    assert task.queue_name == "default"
    assert ledger.why(task).kind == "paused"

    rows.worker_process(queues=["default", "mail"])
    page, task, told = retry_all()
    assert starts not in page + told
    assert task.queue_name == "mail"
    pause.delete()
    assert retry_all()[1].queue_name == "default"
    rows.pause("actor", act_on_all.actor_name)
    assert f"The task starts once {act_on_all.actor_name} is resumed." in retry_all()[2]


@pytest.mark.usefixtures("few")
def test_a_selection_of_all_pages_that_is_too_many_is_done_by_the_task_too(admin_client: Client) -> None:
    tasks = [rows.task() for _ in range(3)]
    page = ask(admin_client, "cancel", tasks[0], select_across="1")
    assert "Cancel 2+ tasks?" in page.text
    assert "see how far it is" in confirm(admin_client, page).text
    act_on_all.fn(AuditEntry.objects.get().pk)
    assert {status_of(task) for task in tasks} == {states.CANCELLED}


def planned(count: int, action: str = "retry") -> tuple[AuditEntry, list[TaskStatus]]:
    tasks = [row_for(action) for _ in range(count)]
    by = audit.By(name="rosa", door=audit.ADMIN)
    row_ids = [task.pk for task in tasks]
    return tasks_actions.plan(tasks_actions.ACTIONS[action], row_ids, number=count, by=by), tasks


@pytest.mark.usefixtures("few")
def test_a_task_that_goes_on_after_its_worker_died_does_nothing_twice() -> None:
    entry, tasks = planned(5)
    assert tasks_actions.go_on(entry)
    TaskStatus.objects.filter(pk=tasks[0].pk).update(status=states.FAILED, finished_at=timezone.now())

    again = AuditEntry.objects.get()
    act_on_all.fn(again.pk)
    act_on_all.fn(again.pk)

    assert [TaskStatus.objects.get(pk=task.pk).attempt for task in tasks] == [1] * 5
    assert status_of(tasks[0]) == states.FAILED, "it failed anew after its retry"
    again.refresh_from_db()
    assert again.number == 5
    assert not AuditPage.objects.filter(change="").exists()


@pytest.mark.usefixtures("few")
def test_a_page_that_fails_changes_none_of_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    entry, tasks = planned(3)

    def fail(*args: Any) -> None:
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(audit, "note_more", fail)
        with pytest.raises(RuntimeError, match="away"):
            tasks_actions.go_on(entry)
    assert {status_of(task) for task in tasks} == {states.FAILED}
    act_on_all.fn(entry.pk)
    assert {status_of(task) for task in tasks} == {states.PENDING}


@pytest.mark.usefixtures("few")
def test_a_task_that_ended_or_moved_meanwhile_is_left_as_it_is() -> None:
    entry, (moved, again, fresh) = planned(3)
    TaskStatus.objects.filter(pk=moved.pk).update(status=states.COMPLETED)
    TaskStatus.objects.filter(pk=again.pk).update(finished_at=timezone.now() + LATER)

    assert act_on_all.fn(entry.pk) == "Retried: 1 tasks, 3 of 3 looked at"
    assert [status_of(task) for task in (moved, again, fresh)] == ["completed", "failed", "pending"]


@pytest.mark.usefixtures("few")
def test_tasks_that_were_locked_come_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    entry, tasks = planned(4)
    retry, calls = tasks_actions.RETRY.change, list[list[int]]()

    def first_is_locked(row_ids: Any, value: Any) -> Any:
        calls.append(sorted(row_ids))
        return retry(row_ids[1:] if len(calls) == 1 else row_ids, value)

    object.__setattr__(tasks_actions.RETRY, "change", first_is_locked)
    try:
        act_on_all.fn(entry.pk)
    finally:
        object.__setattr__(tasks_actions.RETRY, "change", retry)

    assert {status_of(task) for task in tasks} == {states.PENDING}
    assert calls == [[tasks[0].pk, tasks[1].pk], [tasks[2].pk, tasks[3].pk], [tasks[0].pk]]


@pytest.mark.usefixtures("few")
def test_it_stops_between_two_pages_when_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    entry, tasks = planned(5)
    shown: list[str] = []

    def cancelled_after_a_page(percent: float, text: str) -> None:
        shown.append(text)
        if len(shown) == 2:
            raise Cancelled("Cancelled")

    monkeypatch.setattr("apps.tasks.progress.set", cancelled_after_a_page)
    with pytest.raises(Cancelled):
        act_on_all.fn(entry.pk)

    assert [status_of(task) for task in tasks] == ["pending"] * 2 + ["failed"] * 3
    assert shown == ["Retried: 0 tasks, 0 of 5 looked at", "Retried: 2 tasks, 2 of 5 looked at"]


def test_what_comes_or_ends_after_the_question_is_not_meant(admin_client: Client) -> None:
    meant, late = row_for("retry"), rows.task()
    page = get(admin_client, all_url("retry"))
    new = row_for("retry")
    TaskStatus.objects.filter(pk=late.pk).update(status=states.FAILED, finished_at=timezone.now() + LATER)

    post(admin_client, all_url("retry"), hidden(page))

    assert [status_of(task) for task in (meant, late, new)] == ["pending", "failed", "failed"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("address", "told"),
    [
        (all_url("retyr"), "Unknown action 'retyr', must be one of: cancel, retry, run_now"),
        (reverse("admin:tasks_taskstatus_all"), "Unknown action '', must be one of"),
        (all_url("retry", nonsense="1"), "The list does not know this query."),
        (all_url("retry", status__exact="failed"), "No task matches."),
    ],
)
def test_an_address_that_means_no_task_says_so(admin_client: Client, address: str, told: str) -> None:
    for response in (admin_client.get(address, follow=True), admin_client.post(address, follow=True)):
        assert response.status_code == 200
        assert told in Page(response.content.decode()).text


@pytest.mark.once
@pytest.mark.parametrize("form", [{}, {"newest": "x", "asked": "x"}, {"newest": "1", "asked": "9999-99-99"}])
def test_a_post_that_answers_no_question_asks(admin_client: Client, form: dict[str, str]) -> None:
    task = row_for("retry")
    assert "Retry this task?" in post(admin_client, all_url("retry"), form).text
    assert status_of(task) == states.FAILED


def test_the_actors_queue_is_one_that_the_project_declares() -> None:
    assert act_on_all.queue_name == "default"
    assert act_on_all.actor_name in dramatiq.get_broker().actors


# --- Permissions ----------------------------------------------------------------------------------


@pytest.mark.once
@EACH
def test_each_action_needs_its_permission_and_no_other(client: Client, action: str) -> None:
    needed = permission.NEEDED[action].partition(".")[2]
    others = {name.partition(".")[2] for name in permission.NEEDED.values()} - {needed}
    task = row_for(action)
    staff = staff_who_may(client, *others)

    assert not get(staff, page_of(task)).with_attribute("href", page_of(task, action))
    for address in (page_of(task, action), all_url(action)):
        assert staff.get(address).status_code == 403
        assert staff.post(address, answers(action)).status_code == 403
    staff.post(TASKS, {"action": action, "_selected_action": task.pk, "is_confirmed": "1", **answers(action)})
    assert not is_done(task, action)

    User.objects.all().delete()
    staff = staff_who_may(client, "view_taskstatus", needed)
    assert get(staff, page_of(task)).with_attribute("href", page_of(task, action))
    post(staff, page_of(task, action), answers(action))
    assert is_done(task, action)


def test_arguments_are_hidden_without_their_permission(client: Client) -> None:
    task = rows.task(args=["s3cret"], kwargs={"word": "s3cret"}, options={"odd": "s3cret"})
    staff = staff_who_may(client, "view_taskstatus")
    page = get(staff, page_of(task))
    assert "s3cret" not in page.html
    assert "they need the permission “Can view arguments of task”" in page.text

    User.objects.all().delete()
    staff = staff_who_may(client, "view_taskstatus", "view_arguments_taskstatus")
    assert "s3cret" in get(staff, page_of(task)).html


def test_the_api_shows_no_arguments() -> None:
    staff = writer("staff", is_staff=True, permissions=("tasks.view_taskstatus",))
    task = rows.task(args=["s3cret"], kwargs={"word": "s3cret"})
    assert "s3cret" not in staff.get(f"/api/tasks/{task.task_id}/").content.decode()
