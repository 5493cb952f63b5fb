"""The tasks that a user sees beside the own ones: those about objects that the user sees."""

import pytest

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Membership, Project, Role
from apps.projects.services.member_service import MemberService
from apps.tasks.models import TaskStatus
from tests import rows
from tests.clients import Writer

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(project: Project) -> Document:
    return rows.document(project=project)


def seen_by(user: User) -> set[int]:
    return set(TaskStatus.objects.visible_to(user).values_list("pk", flat=True))


@pytest.mark.parametrize("role", [Role.EDITOR, Role.READER])
def test_members_see_the_tasks_of_a_project_and_its_documents(
    jane: Writer, emily: Writer, project: Project, document: Document, role: Role
) -> None:
    about = {rows.task(about=project, owner=jane.user).pk, rows.task(about=document).pk}
    rows.task(owner=jane.user)
    rows.task(about=rows.document(project=rows.project(owner="anne")))
    assert seen_by(emily.user) == set()

    Membership.objects.create(project=project, user=emily.user, role=role)

    assert seen_by(emily.user) == about


def test_a_former_member_sees_no_task_of_the_project(jane: Writer, emily: Writer, document: Document) -> None:
    Membership.objects.create(project=document.project, user=emily.user, role=Role.EDITOR)
    task, own = rows.task(about=document, owner=emily.user), rows.task(owner=emily.user)
    assert seen_by(emily.user) == {task.pk, own.pk}

    MemberService.remove(document.project, user_id=emily.user.pk)

    assert seen_by(emily.user) == {own.pk}
    assert seen_by(jane.user) == {task.pk}
    assert emily.get(f"/api/tasks/{task.task_id}/events/").status_code == 404


def test_a_project_that_changes_hands_takes_its_tasks_along(
    jane: Writer, emily: Writer, project: Project, document: Document
) -> None:
    tasks = {rows.task(about=project, owner=jane.user).pk, rows.task(about=document, owner=jane.user).pk}

    Project.objects.update(owner=emily.user)

    assert seen_by(emily.user) == tasks
    assert seen_by(jane.user) == set()
    assert emily.get("/api/tasks/").json()["count"] == 2


def test_a_task_about_a_deleted_object_is_seen_by_its_owner(jane: Writer, emily: Writer, document: Document) -> None:
    task = rows.task(about=document, owner=jane.user)
    document.delete()

    assert seen_by(jane.user) == {task.pk}
    assert seen_by(emily.user) == set()


def test_each_part_of_the_query_looks_for_the_filtered_tasks_alone(jane: Writer) -> None:
    """Otherwise one task is looked for among all that its user sees."""
    query = TaskStatus.objects.filter(task_id="wanted").visible_to(jane.user).query

    # The whole, own tasks about other things, and for projects and documents those deleted and those seen.
    assert str(query).count('"task_id" = ') == 1 + 1 + 2 * 2
