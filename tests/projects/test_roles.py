"""Owner, editor and reader of a project in the API, and the services behind the members' page."""

import pytest

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Membership, Project, Role
from apps.projects.services.member_service import MemberService
from apps.tasks.models import TaskStatus
from tests import rows
from tests.clients import Writer, writer

pytestmark = pytest.mark.django_db

READ_ONLY = {"detail": "You may read this project, not change it. Its owner can make you an editor."}
OWNERS = {"detail": "Only the owner of this project may do that."}


@pytest.fixture
def document(project: Project) -> Document:
    return rows.document(project=project)


def member(project: Project, role: Role, name: str = "emily") -> Writer:
    """Return a new user's client, who is a member of the project."""
    found = writer(name)
    Membership.objects.create(project=project, user=found.user, role=role)
    return found


def test_a_reader_sees_all_and_changes_nothing(project: Project, document: Document) -> None:
    emily = member(project, Role.READER)
    there, documents = f"/api/projects/{project.pk}/", f"/api/documents/{document.pk}/"

    assert [found["id"] for found in emily.get("/api/projects/").json()["results"]] == [project.pk]
    assert [found["id"] for found in emily.get("/api/documents/").json()["results"]] == [document.pk]
    for path in (there, f"{there}report/", documents, f"{documents}chapters/"):
        assert emily.get(path).status_code == 200
    refused = [
        (emily.patch(there, {"name": "Mine"}), OWNERS),
        (emily.delete(there), OWNERS),
        (emily.post(f"{there}report/"), READ_ONLY),
        (emily.post("/api/documents/", {"project": project.pk, "title": "Emma", "text": "Emma."}), READ_ONLY),
        (emily.patch(documents, {"title": "Mine"}), READ_ONLY),
        (emily.delete(documents), READ_ONLY),
        (emily.post(f"{documents}process/"), READ_ONLY),
    ]
    assert [(answer.status_code, answer.json()) for answer, _ in refused] == [(403, said) for _, said in refused]
    assert (Project.objects.get().name, Document.objects.get().title) == ("Novels", "Emma")
    assert not TaskStatus.objects.exists()


def test_a_refusal_is_one_line_with_account_project_and_roles(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    emily = member(project, Role.READER)

    emily.delete(f"/api/projects/{project.pk}/")

    account = project.memberships.get().user_id
    line = f"refused account={account} project={project.pk} role=reader needed=owner"
    assert line in [record.getMessage() for record in caplog.records]


def test_an_editor_changes_the_documents_and_not_the_project(project: Project, document: Document) -> None:
    emily = member(project, Role.EDITOR)
    there, documents = f"/api/projects/{project.pk}/", f"/api/documents/{document.pk}/"

    new = emily.post("/api/documents/", {"project": project.pk, "title": "Emma", "text": "Emma."})
    assert new.status_code == 201
    assert emily.patch(documents, {"title": "Emma, again"}).status_code == 200
    started = [emily.post(f"{documents}process/"), emily.post(f"{there}report/")]
    assert [answer.status_code for answer in started] == [202, 202]
    assert [emily.get(answer.json()["task_url"]).status_code for answer in started] == [200, 200]
    assert emily.delete(f"/api/documents/{new.json()['id']}/").status_code == 204
    for answer in (emily.patch(there, {"name": "Mine"}), emily.delete(there)):
        assert (answer.status_code, answer.json()) == (403, OWNERS)


def test_a_member_finds_the_task_that_another_one_started(jane: Writer, project: Project, document: Document) -> None:
    emily = member(project, Role.EDITOR)

    first = jane.post(f"/api/documents/{document.pk}/process/").json()
    second = emily.post(f"/api/documents/{document.pk}/process/").json()

    assert first["task_id"] == second["task_id"]
    assert emily.get(second["task_url"]).status_code == 200


def test_a_project_is_handed_over_to_a_member(jane: Writer, project: Project) -> None:
    emily = member(project, Role.READER)

    assert MemberService.hand_over(project, user_id=emily.user.pk)

    handed = Project.objects.get()
    assert (handed.role_of(emily.user), handed.role_of(jane.user)) == (Role.OWNER, Role.EDITOR)
    assert Membership.objects.count() == 1


def test_a_project_is_not_handed_over_to_others(project: Project, emily: Writer) -> None:
    locked = member(project, Role.EDITOR, "anne")
    User.objects.filter(pk=locked.user.pk).update(is_active=False)

    for user in (emily.user, locked.user):
        assert not MemberService.hand_over(project, user_id=user.pk)
    gone = Project.objects.get()
    Project.objects.update(owner=emily.user)
    assert not MemberService.hand_over(gone, user_id=locked.user.pk)
    assert Project.objects.get().owner == emily.user


def test_a_member_who_became_the_owner_in_the_admin_is_the_owner(project: Project) -> None:
    emily = member(project, Role.READER)
    Project.objects.update(owner=emily.user)

    assert emily.patch(f"/api/projects/{project.pk}/", {"name": "Mine"}).status_code == 200
    assert emily.get("/api/projects/").json()["count"] == 1
    assert not MemberService.members(Project.objects.get())
