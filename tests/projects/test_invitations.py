"""Invitations: mailed once, accepted once, and bounded."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.signing import Signer
from django.utils import timezone

from apps.projects.errors import TooManyInvitationsError
from apps.projects.models import Invitation, Membership, Project, Role
from apps.projects.services import invitation_service
from apps.projects.services.invitation_service import InvitationService
from apps.projects.services.member_service import MemberService
from apps.tasks.models import TaskStatus
from tests import rows
from tests.clients import Writer

pytestmark = pytest.mark.django_db

PAGE_URL = "https://write.example/invitations/"


def invite(project: Project, email: str = "emily@example.com", role: Role = Role.EDITOR) -> Invitation:
    return InvitationService.invite(project, by=project.owner, email=email, role=role, page_url=PAGE_URL)


def mailed(invitation: Invitation, *, task_id: str = "a task") -> str:
    """Send the mail of an invitation and return the token in it."""
    mail.outbox = []
    assert InvitationService.mail(invitation.pk, page_url=PAGE_URL, task_id=task_id)
    found = re.search(rf"{PAGE_URL}(\S+)/\n", str(mail.outbox[0].body))
    assert found, mail.outbox[0].body
    return found[1]


def test_an_invitation_is_mailed_by_a_task_that_does_not_know_the_token(jane: Writer, project: Project) -> None:
    invitation = invite(project)

    task = TaskStatus.objects.get()
    assert (task.task_name, task.args) == ("projects.send_invitation", [invitation.pk, PAGE_URL])
    token = mailed(invitation)
    invitation.refresh_from_db()
    assert mail.outbox[0].to == ["emily@example.com"]
    assert mail.outbox[0].subject == "jane invites you to “Novels”"
    assert token not in str(Invitation.objects.values().get())
    assert len(invitation.token_hash) == 64


def test_a_task_that_runs_again_mails_once(project: Project) -> None:
    invitation = invite(project)
    mailed(invitation)

    assert InvitationService.mail(invitation.pk, page_url=PAGE_URL, task_id="a task")
    assert len(mail.outbox) == 1


def test_a_name_with_a_line_break_is_no_second_header(project: Project) -> None:
    Project.objects.update(name="Novels\nBcc: all@example.com")

    mailed(invite(project))

    assert mail.outbox[0].subject == "jane invites you to “Novels Bcc: all@example.com”"


def test_a_name_turns_no_direction_of_the_mail(project: Project) -> None:
    Project.objects.update(name="Novels \u202egnp.exe\u2066")

    mailed(invite(project))

    assert mail.outbox[0].subject == "jane invites you to “Novels gnp.exe”"
    assert not set("\u202e\u2066") & set(str(mail.outbox[0].body))


def test_an_invitation_is_accepted_once(project: Project, emily: Writer) -> None:
    token = mailed(invite(project))
    found, again = InvitationService.find(token), InvitationService.find(token)
    assert found
    assert again

    assert InvitationService.accept(found, user=emily.user)
    other = rows.project(owner="anne").owner
    assert not InvitationService.accept(again, user=other)

    assert InvitationService.find(token) is None
    assert Membership.objects.values_list("user", "role").get() == (emily.user.pk, "editor")


def test_one_who_is_in_the_project_leaves_the_invitation_open(jane: Writer, project: Project) -> None:
    token = mailed(invite(project))
    found = InvitationService.find(token)
    assert found

    assert InvitationService.accept(found, user=jane.user)

    assert not Membership.objects.exists()
    assert InvitationService.find(token)


@pytest.mark.parametrize("change", ["expired", "withdrawn", "replaced", "of a deleted project"])
def test_a_link_that_does_not_hold_any_more_finds_nothing(project: Project, change: str) -> None:
    invitation = invite(project)
    token = mailed(invitation)
    match change:
        case "expired":
            Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        case "withdrawn":
            assert InvitationService.withdraw(project, invitation_id=invitation.pk)
            assert not InvitationService.withdraw(project, invitation_id=invitation.pk)
        case "replaced":
            invite(project, email="Emily@example.com")
        case _:
            project.delete()

    assert InvitationService.find(token) is None
    assert not InvitationService.mail(invitation.pk, page_url=PAGE_URL, task_id="another")


@pytest.mark.parametrize("token", ["", "x", "x:y", "\x00", "é" * 500, Signer(salt="other").sign("a")], ids=range(6))
def test_a_forged_token_finds_nothing(project: Project, token: str) -> None:
    mailed(invite(project))

    assert InvitationService.find(token) is None


def test_invitations_of_a_day_are_bounded_also_if_projects_are_deleted(
    jane: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitation_service, "INVITATIONS_A_DAY", 2)
    for number in range(2):
        project = rows.project(owner="jane")
        invite(project, email=f"{number}@example.com")
        project.delete()
    project = rows.project(owner="jane")

    with pytest.raises(TooManyInvitationsError, match="2 invitations went out"):
        invite(project)

    assert not Invitation.objects.exists()
    TaskStatus.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    invite(project)


def test_the_addresses_of_invitations_that_ended_long_ago_are_forgotten(project: Project) -> None:
    for email, days in (("old@example.com", 91), ("late@example.com", 89)):
        Invitation.objects.filter(pk=invite(project, email=email).pk).update(
            expires_at=timezone.now() - timedelta(days=days)
        )

    invite(rows.project("Letters", owner="anne"))

    assert sorted(Invitation.objects.values_list("email", flat=True)) == ["emily@example.com", "late@example.com"]


def test_a_member_who_was_removed_does_not_come_back_by_an_earlier_invitation(emily: Writer, project: Project) -> None:
    """An invitation stays open when a member accepts it."""
    Membership.objects.create(project=project, user=emily.user, role=Role.READER)
    token = mailed(invite(project))
    found = InvitationService.find(token)
    assert found
    assert InvitationService.accept(found, user=emily.user)

    MemberService.remove(project, user_id=emily.user.pk)

    assert InvitationService.find(token) is None
    assert not InvitationService.accept(found, user=emily.user)
    assert not Membership.objects.exists()
