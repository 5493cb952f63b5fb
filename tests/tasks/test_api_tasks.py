"""Tasks through the API."""

import uuid
from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.tasks import ledger, states
from apps.tasks.api import short as short_texts
from apps.tasks.models import TaskStatus
from apps.tasks.values import Claim, Outcome, Send
from tests.clients import Writer, writer

pytestmark = pytest.mark.django_db

VIEW = "tasks.view_taskstatus"


def sent(owner: Writer | None, *, task_name: str = "documents.process_document", **fields: Any) -> TaskStatus:
    """Make a task of that owner."""
    task_id = str(uuid.uuid4())
    owner_id = None if owner is None else owner.user.pk
    send = Send(task_id=task_id, task_name=task_name, queue_name="documents", owner_id=owner_id, **fields)
    ledger.record([send])
    return TaskStatus.objects.get(task_id=task_id)


def in_support(task: TaskStatus) -> str:
    """Return the sentence that users see instead of an error that was not written for them."""
    return f"Something went wrong on our side. If it happens again, tell support that it was task {task.task_id}."


def failed(task: TaskStatus, *, error_type: str = "ValueError", error_message: str = "No.") -> TaskStatus:
    claim = Claim(
        task_id=task.task_id, row_id=task.pk, attempt=task.attempt, claim_id=uuid.uuid4(), worker_id=uuid.uuid4()
    )
    ledger.claim([(claim.task_id, claim.attempt)], claim_id=claim.claim_id, worker_id=claim.worker_id)
    outcome = Outcome(
        claim=claim,
        move=states.FAIL,
        error_message=error_message,
        error_type=error_type,
        traceback="File /srv/app.py",
    )
    ledger.finish([outcome])
    task.refresh_from_db()
    assert task.status == states.FAILED
    return task


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [task["task_id"] for task in answer.json()["results"]]


def test_a_task_is_shown_by_the_names_of_its_fields(jane: Writer) -> None:
    task = failed(sent(jane, args="[5]", related_object_type="documents.Document", related_object_id=5))

    answer = jane.get(f"/api/tasks/{task.task_id}/").json()

    assert answer.keys() == {
        "task_id", "task_name", "status", "progress", "progress_text", "result", "error_message", "error_type",
        "related_object_id", "related_object_type", "queue_name", "priority", "attempt", "retries", "snoozes",
        "crashes",
        "created_at", "updated_at", "run_at", "expires_at", "claimed_at", "started_at", "finished_at",
        "cancel_requested_at", "why",
    }  # fmt: skip
    assert answer["task_id"] == task.task_id
    assert (answer["status"], answer["error_type"]) == ("failed", "")
    assert answer["error_message"] == in_support(task)
    assert (answer["related_object_type"], answer["related_object_id"]) == ("documents.Document", 5)
    assert answer["finished_at"] is not None


def test_the_message_and_the_traceback_are_not_for_the_owner(jane: Writer) -> None:
    task = failed(sent(jane, args='["a secret argument"]', kwargs='{"key":"a secret keyword"}'))

    for path in (f"/api/tasks/{task.task_id}/", "/api/tasks/", f"/api/tasks/{task.task_id}/events/"):
        answer = jane.get(path).content.decode()
        assert task.task_id in answer
        assert "secret" not in answer
        assert "/srv/app.py" not in answer


@pytest.mark.parametrize(
    ("error_type", "is_told"),
    [
        ("apps.documents.readers.errors.UnreadableTextError", True),
        ("apps.documents.readers.errors.TextTooLargeError", True),  # Derived from it.
        ("", True),  # A sentence of the task system.
        ("apps.tasks.errors.OverMemoryLimitError", True),
        ("apps.tasks.errors.ChildError", False),
        ("KeyError", False),
        ("django.db.utils.OperationalError", False),
        ("apps.projects.errors.MailRefusedError", False),  # Thrown by another actor.
    ],
)
def test_a_user_is_told_the_errors_that_are_written_for_users(jane: Writer, error_type: str, is_told: bool) -> None:
    task = failed(sent(jane), error_type=error_type, error_message="relation 'x' of host db-1")
    shown = (error_type, "relation 'x' of host db-1") if is_told else ("", in_support(task))

    for path in (f"/api/tasks/{task.task_id}/", "/api/tasks/", f"/api/tasks/{task.task_id}/events/"):
        answer = jane.get(path).content.decode()
        assert ("db-1" in answer) == is_told
    answer = jane.get(f"/api/tasks/{task.task_id}/").json()
    assert (answer["error_type"], answer["error_message"]) == shown
    staff = writer("staff", is_staff=True, permissions=[VIEW])
    stream = staff.get(f"/api/tasks/{task.task_id}/events/").content.decode()
    assert "db-1" in stream
    assert "/srv/app.py" in stream


def test_staff_see_the_traceback_and_whose_it_is_but_not_the_message(jane: Writer) -> None:
    task = failed(sent(jane, args='["a secret argument"]'))

    answer = writer("staff", is_staff=True, permissions=[VIEW]).get(f"/api/tasks/{task.task_id}/")

    assert answer.json()["error_message"] == "No."
    assert answer.json()["traceback"] == "File /srv/app.py"
    assert answer.json()["owner"] == jane.user.pk
    assert "secret" not in answer.content.decode()


def test_staff_see_results_with_the_permission_to_see_what_a_task_was_given(jane: Writer) -> None:
    task = sent(jane)
    TaskStatus.objects.update(status="completed", result={"isbn": 1})
    of_one = f"/api/tasks/{task.task_id}/"
    for permissions, result in (([VIEW], None), ([VIEW, "tasks.view_arguments_taskstatus"], {"isbn": 1})):
        staff = writer("staff", is_staff=True, permissions=permissions)
        assert staff.get(of_one).json()["result"] == result
        assert staff.get("/api/tasks/").json()["results"][0]["result"] == result
        assert ("isbn" in staff.get(f"{of_one}events/").content.decode()) == (result is not None)
        staff.user.delete()


def test_a_list_leaves_long_texts_to_the_tasks_own_address(jane: Writer) -> None:
    long, short = sent(jane), sent(jane)
    texts = {"error_message": "No." + "x" * short_texts.MOST, "traceback": "x" * short_texts.MOST + "ValueError: No."}
    TaskStatus.objects.filter(pk=long.pk).update(status="failed", result={"words": "x" * 1_000_000}, **texts)
    TaskStatus.objects.filter(pk=short.pk).update(status="completed", result={"words": "x" * 900})
    staff = writer("staff", is_staff=True, permissions=[VIEW, "tasks.view_arguments_taskstatus"])
    for reader in (jane, staff):
        answer = reader.get("/api/tasks/")
        assert len(answer.content) < 10_000
        whole, cut = answer.json()["results"]
        assert (whole["is_cut"], whole["result"]) == (False, {"words": "x" * 900})
        assert (cut["is_cut"], cut["result"], cut["error_message"][:4]) == (True, None, "No.x")
        one = reader.get(f"/api/tasks/{long.task_id}/").json()
        assert (one["result"], one["error_message"]) == ({"words": "x" * 1_000_000}, texts["error_message"])
        assert "is_cut" not in one
    assert cut["traceback"].endswith("xValueError: No.")


@pytest.mark.parametrize("suffix", ["", "events/"])
def test_another_users_task_looks_like_a_missing_one(jane: Writer, emily: Writer, suffix: str) -> None:
    theirs = emily.get(f"/api/tasks/{sent(jane).task_id}/{suffix}")
    nobodys = emily.get(f"/api/tasks/{sent(None).task_id}/{suffix}")
    missing = emily.get(f"/api/tasks/{uuid.uuid4()}/{suffix}")

    assert theirs.status_code == nobodys.status_code == missing.status_code == 404
    assert theirs.json() == nobodys.json() == missing.json()


@pytest.mark.parametrize("permission", [VIEW, "tasks.change_taskstatus"])
def test_staff_with_the_permission_see_every_task(jane: Writer, emily: Writer, permission: str) -> None:
    tasks = [sent(jane), sent(emily), sent(None)]
    staff = writer("staff", is_staff=True, permissions=[permission])

    assert ids(staff.get("/api/tasks/")) == [task.task_id for task in reversed(tasks)]
    for task in tasks:
        assert staff.get(f"/api/tasks/{task.task_id}/").status_code == 200


def test_a_superuser_sees_every_task(jane: Writer) -> None:
    task = sent(jane)
    support = writer("support", is_staff=True)
    User.objects.filter(pk=support.user.pk).update(is_superuser=True)

    assert ids(support.get("/api/tasks/")) == [task.task_id]


@pytest.mark.parametrize(
    ("is_staff", "permissions"), [(True, []), (True, ["tasks.delete_taskstatus"]), (False, [VIEW])]
)
def test_staff_without_the_permission_see_their_own_tasks_alone(
    jane: Writer, is_staff: bool, permissions: list[str]
) -> None:
    other = failed(sent(jane))
    staff = writer("staff", is_staff=is_staff, permissions=permissions)
    own = failed(sent(staff))

    assert ids(staff.get("/api/tasks/")) == [own.task_id]
    assert "traceback" not in staff.get(f"/api/tasks/{own.task_id}/").json()
    for suffix in ("", "events/"):
        assert staff.get(f"/api/tasks/{other.task_id}/{suffix}").status_code == 404


def test_the_list_has_ones_own_tasks_with_the_newest_first(jane: Writer, emily: Writer) -> None:
    mine = [sent(jane) for _ in range(3)]
    sent(emily)
    sent(None)

    answer = jane.get("/api/tasks/")

    assert ids(answer) == [task.task_id for task in reversed(mine)]
    assert answer.json()["count"] == 3


def test_tasks_are_found_by_their_columns(jane: Writer) -> None:
    report = sent(jane, task_name="projects.generate_project_report")
    other = sent(jane, related_object_type="documents.Document", related_object_id=5)
    wanted = failed(sent(jane, related_object_type="documents.Document", related_object_id=7))

    assert ids(jane.get("/api/tasks/?status=failed")) == [wanted.task_id]
    assert ids(jane.get("/api/tasks/?status=pending")) == [other.task_id, report.task_id]
    assert ids(jane.get("/api/tasks/?task_name=projects.generate_project_report")) == [report.task_id]
    assert ids(jane.get("/api/tasks/?related_object_type=documents.Document")) == [wanted.task_id, other.task_id]
    assert ids(jane.get("/api/tasks/?related_object_type=documents.Document&related_object_id=7")) == [wanted.task_id]
    assert ids(jane.get("/api/tasks/?status=failed&related_object_id=5")) == []
    assert ids(jane.get("/api/tasks/?task_name=nothing")) == []
    assert len(ids(jane.get("/api/tasks/?status=&task_name=&related_object_id="))) == 3


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("status=bogus", "Unknown status 'bogus', must be one of: pending, processing, completed, failed, cancelled"),
        ("related_object_id=abc", "valid integer"),
        ("related_object_id=99999999999999999999", "less than or equal to"),
        ("related_object_id=" + "9" * 2000, "too large"),
        ("task_name=%00", "Null characters"),
        ("related_object_type=" + "x" * 256, "no more than 255"),
    ],
    ids=lambda value: value[:40],
)
def test_a_query_that_cannot_be_is_refused(jane: Writer, query: str, complaint: str) -> None:
    response = jane.get(f"/api/tasks/?{query}")

    assert response.status_code == 400
    ((message,),) = response.json().values()
    assert complaint in message


def test_a_list_takes_as_many_queries_however_long_it_is(
    jane: Writer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        sent(jane, related_object_type="documents.Document", related_object_id=number)

    jane.get("/api/tasks/")  # The token's first use is noted.
    with django_assert_num_queries(3):  # The user, the count, the page.
        assert len(ids(jane.get("/api/tasks/"))) == 50


@pytest.mark.parametrize("task_id", ["%00", "%0A", "x" * 300, "é", "..", "%2F", "1%20OR%201=1"])
def test_an_id_that_cannot_be_is_not_there(jane: Writer, task_id: str) -> None:
    response = jane.get(f"/api/tasks/{task_id}/")

    assert (response.status_code, response.json().keys()) == (404, {"detail"})


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post"])
def test_a_task_is_only_looked_at(jane: Writer, method: str) -> None:
    task = sent(jane)

    assert getattr(jane, method)(f"/api/tasks/{task.task_id}/", {"status": "completed"}).status_code == 405
    assert TaskStatus.objects.get().status == "pending"


def test_a_pending_task_says_why_it_waits_in_the_words_of_its_reader(jane: Writer) -> None:
    task = sent(jane)
    staff = writer("staff", is_staff=True, permissions=[VIEW])
    assert jane.get(f"/api/tasks/{task.task_id}/").json()["why"] == ledger.why(task).owner_text
    assert "manage.py" not in ledger.why(task).owner_text
    assert staff.get(f"/api/tasks/{task.task_id}/").json()["why"] == str(ledger.why(task))
    for reader in (jane, staff):
        assert "why" not in reader.get("/api/tasks/").json()["results"][0]
    assert "why" not in jane.post(f"/api/tasks/{task.task_id}/cancel/").json()
    for reader in (jane, staff):
        assert reader.get(f"/api/tasks/{task.task_id}/").json()["why"] is None
