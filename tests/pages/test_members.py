"""The members of a project: seen by all of them, changed by the owner."""

import re

import pytest
from django.core import mail
from django.test import Client

from apps.accounts.models import User
from apps.pages.views import members
from apps.projects.models import Invitation, Membership, Project, Role
from apps.projects.services import invitation_service
from apps.projects.services.invitation_service import InvitationService
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import get

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def member(project: Project, role: Role, name: str = "emily") -> User:
    """Return a new user who is a member of the project."""
    user = User.objects.create_user(name)
    Membership.objects.create(project=project, user=user, role=role)
    return user


def address(project: Project, rest: str = "") -> str:
    return f"/projects/{project.pk}/members/{rest}"


def test_a_shared_project_is_on_the_page_of_its_members(project: Project) -> None:
    emily = signed_in(member(project, Role.READER))

    assert "Shared by jane" in get(emily, "/").text
    page = get(emily, f"/projects/{project.pk}/")
    assert "jane shares this project with you. You can read it." in page.text


def test_a_reader_sees_no_button_that_would_be_refused(browser: Client, project: Project) -> None:
    document = rows.document(project=project)
    rows.document(project=project)
    emily = signed_in(member(project, Role.READER))

    for path in (f"/projects/{project.pk}/", f"/documents/{document.pk}/", address(project)):
        forms = set(re.findall(r'<form method="post"[^>]* action="([^"]+)"', get(emily, path).html))
        assert forms == {"/sign-out/"}
        assert forms < set(re.findall(r'<form method="post"[^>]* action="([^"]+)"', get(browser, path).html))


def test_many_members_are_listed_in_pages(browser: Client, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "PAGE_SIZE", 2)
    for name in ("anne", "emily", "charlotte"):
        member(project, Role.READER, name)

    first, second = get(browser, address(project)), get(browser, address(project, "?page=2"))

    assert ("emily" in first.text, "charlotte" in first.text) == (True, False)
    assert ("emily" in second.text, "charlotte" in second.text) == (False, True)
    assert "Page 1 of 2" in first.text


@pytest.mark.parametrize("role", [Role.EDITOR, Role.READER])
def test_a_member_who_may_not_is_told_so(project: Project, role: Role) -> None:
    emily = signed_in(member(project, role))

    answer = emily.post(f"/projects/{project.pk}/rename/", {"name": "Mine"})

    assert answer.status_code == 403
    assert "Only the owner of this project may do that." in answer.content.decode()
    assert Project.objects.get().name == "Novels"


def test_the_owner_changes_a_role_and_removes_a_member(browser: Client, project: Project) -> None:
    emily = member(project, Role.READER)

    browser.post(address(project, f"{emily.pk}/role/"), {"role": "editor"})
    assert Membership.objects.get().role == "editor"
    for nonsense in ("owner", "", "x"):
        browser.post(address(project, f"{emily.pk}/role/"), {"role": nonsense})
    assert Membership.objects.get().role == "editor"

    assert "will not see “Novels” any more" in get(browser, address(project, f"{emily.pk}/remove/")).text
    browser.post(address(project, f"{emily.pk}/remove/"))
    assert not Membership.objects.exists()
    assert browser.post(address(project, f"{emily.pk}/remove/")).status_code == 404


@pytest.mark.parametrize("rest", ["role/", "remove/", "hand-over/"])
def test_a_member_with_a_number_that_no_key_has_is_not_there(browser: Client, project: Project, rest: str) -> None:
    assert browser.post(address(project, f"{10**30}/{rest}"), {"role": "editor"}).status_code == 404


def test_a_member_leaves_alone(project: Project) -> None:
    emily, anne = member(project, Role.EDITOR), member(project, Role.READER, "anne")

    assert signed_in(emily).post(address(project, f"{anne.pk}/remove/")).status_code == 403
    answer = signed_in(emily).post(address(project, f"{emily.pk}/remove/"), follow=True)

    assert "You left “Novels”." in answer.content.decode()
    assert Membership.objects.get().user == anne


def test_the_owner_hands_the_project_over(browser: Client, jane: User, project: Project) -> None:
    emily = member(project, Role.READER)

    assert Project.objects.get().owner == jane
    answer = browser.post(address(project, f"{emily.pk}/hand-over/"), follow=True)

    assert "now belongs to emily. You are an editor." in answer.content.decode()
    assert Project.objects.get().owner == emily


def test_a_person_is_invited_by_mail_and_comes_in(browser: Client, project: Project) -> None:
    sent = browser.post(address(project, "invite/"), {"email": "emily@example.com", "role": "reader"}, follow=True)
    assert "emily@example.com" in sent.content.decode()
    task = TaskStatus.objects.get()
    InvitationService.mail(task.args[0], page_url=task.args[1], task_id=task.task_id)
    found = re.search(r"http://testserver(/invitations/\S+/)\n", str(mail.outbox[0].body))
    assert found
    emily = User.objects.create_user("emily", password="sense-and-sensibility")
    stranger = Client()

    there = stranger.get(found[1], follow=True)
    assert [address for address, _ in there.redirect_chain] == [
        "/invitations/opened/",
        "/sign-in/?next=/invitations/opened/",
    ]
    assert "You are invited to a project. Sign in to see it." in there.content.decode()
    assert "invited" not in stranger.get("/sign-in/?next=/account/").content.decode()
    signed = stranger.post(
        there.request["PATH_INFO"] + "?next=/invitations/opened/",
        {"username": "emily", "password": "sense-and-sensibility"},
        follow=True,
    )
    assert "jane invites you to this project as a reader" in signed.content.decode()
    assert not Membership.objects.exists()
    assert stranger.post("/invitations/opened/")["Location"] == f"/projects/{project.pk}/"

    assert project.role_of(emily) is Role.READER
    for again in (stranger.get(found[1], follow=True), stranger.post("/invitations/opened/", follow=True)):
        assert again.redirect_chain[-1] == (f"/projects/{project.pk}/", 302)
    used = signed_in(User.objects.create_user("anne")).get(found[1], follow=True)
    assert used.status_code == 404
    assert "This invitation does not work" in used.content.decode()


@pytest.mark.django_db
def test_a_token_that_the_site_has_not_made_makes_no_session() -> None:
    stranger = Client()
    assert stranger.get("/invitations/made-up/")["Location"] == "/sign-in/?next=/invitations/made-up/"
    assert not stranger.cookies
    assert stranger.get("/invitations/opened/")["Location"] == "/sign-in/?next=/invitations/opened/"


def test_a_wrong_address_and_too_many_invitations_are_refused(
    browser: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ({"email": "no address", "role": "reader"}, {"email": "a@example.com", "role": "owner"}, {}):
        assert browser.post(address(project, "invite/"), wrong).status_code == 400
    monkeypatch.setattr(invitation_service, "INVITATIONS_A_DAY", 0)

    answer = browser.post(address(project, "invite/"), {"email": "a@example.com", "role": "reader"})

    assert answer.status_code == 429
    assert "invitations went out in the last 24 hours" in answer.content.decode()
    assert not Invitation.objects.exists()


def test_the_owner_needs_no_invitation(browser: Client, jane: User, project: Project) -> None:
    User.objects.filter(pk=jane.pk).update(email="jane@example.com")

    answer = browser.post(address(project, "invite/"), {"email": "Jane@Example.com", "role": "reader"})

    assert answer.status_code == 400
    assert "That is your own address." in answer.content.decode()
    assert not Invitation.objects.exists()


def test_an_invitation_is_withdrawn(browser: Client, project: Project) -> None:
    browser.post(address(project, "invite/"), {"email": "emily@example.com", "role": "reader"})
    invitation = Invitation.objects.get()

    browser.post(f"/projects/{project.pk}/invitations/{invitation.pk}/withdraw/")

    assert "The invitation was withdrawn." in get(browser, address(project)).text
    assert "emily@example.com" not in get(browser, address(project)).text
