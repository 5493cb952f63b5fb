"""Cancel tasks through the API."""

import pytest

from apps.accounts.tokens.issuing import issue
from apps.accounts.tokens.model import ApiToken
from apps.projects.models import Membership, Project, Role
from apps.tasks.models import TaskStatus
from tests import rows
from tests.clients import Writer, writer

pytestmark = pytest.mark.django_db


def path(task: TaskStatus) -> str:
    return f"/api/tasks/{task.task_id}/cancel/"


def test_a_waiting_task_is_cancelled_at_once(jane: Writer) -> None:
    answer = jane.post(path(rows.task(owner=jane.user)))
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


def test_the_cancellation_of_a_running_task_is_requested(jane: Writer) -> None:
    task = rows.task(owner=jane.user, status="processing")
    for _ in range(2):
        answer = jane.post(path(task))
        assert (answer.status_code, answer.json()["status"]) == (202, "processing")
        assert answer.json()["cancel_requested_at"]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_task_that_has_ended_is_a_conflict(jane: Writer, status: str) -> None:
    answer = jane.post(path(rows.task(owner=jane.user, status=status)))
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"The task has ended already: {status.capitalize()}."


@pytest.mark.parametrize(("role", "expected"), [(None, 404), (Role.READER, 403), (Role.EDITOR, 200)])
def test_members_cancel_the_tasks_of_a_project_if_they_may_change_it(
    jane: Writer, emily: Writer, project: Project, role: Role | None, expected: int
) -> None:
    if role is not None:
        Membership.objects.create(project=project, user=emily.user, role=role)
    task = rows.task(about=rows.document(project=project), owner=jane.user)
    assert emily.post(path(task)).status_code == expected
    task.refresh_from_db()
    assert task.status == ("cancelled" if expected == 200 else "pending")


def test_readers_cancel_their_own_tasks(jane: Writer, emily: Writer, project: Project) -> None:
    Membership.objects.create(project=project, user=emily.user, role=Role.READER)
    assert emily.post(path(rows.task(about=project, owner=emily.user))).status_code == 200


@pytest.mark.parametrize(("permission", "expected"), [("change", 403), ("cancel", 200)])
def test_staff_need_the_permission_to_cancel_tasks(permission: str, expected: int) -> None:
    permissions = ("tasks.view_taskstatus", f"tasks.{permission}_taskstatus")
    staff = writer("staff", is_staff=True, permissions=permissions)
    assert staff.post(path(rows.task())).status_code == expected


def test_a_token_to_read_cancels_nothing(jane: Writer) -> None:
    _, secret = issue(jane.user, name="reader", scope=ApiToken.Scope.READ)
    task = rows.task(owner=jane.user)
    jane.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert jane.post(path(task)).status_code == 403
    task.refresh_from_db()
    assert task.status == "pending"
