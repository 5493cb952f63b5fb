"""Invitations into a project: made by its owner, mailed by a task, accepted by a signed-in user."""

import hashlib
import secrets
from datetime import timedelta

import dramatiq
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from apps.core import mail as core_mail
from apps.projects.errors import TooManyInvitationsError
from apps.projects.models import Invitation, Membership, Project, Role
from apps.tasks.models import TaskStatus

#: The actor that mails an invitation.
SEND_INVITATION = "projects.send_invitation"
#: Time in which an invitation can be accepted.
LIFETIME = timedelta(days=7)
#: Time after the end of an invitation for which its address is kept, and number of older ones that a new one deletes.
KEPT, DELETED_AT_ONCE = timedelta(days=90), 20
#: Invitations that a user may send in 24 hours, a bound on mail to strangers through this site.
INVITATIONS_A_DAY = 50


class InvitationService:
    """All operations on invitations. Views and actors call these and nothing below them."""

    @staticmethod
    def invite(project: Project, *, by: AbstractUser, email: str, role: Role, page_url: str) -> Invitation:
        """Make an invitation and send the task that mails it. An open one to the same address is replaced.

        Parameters:
          page_url: Address of the page that takes invitations. The token follows it.

        Raises:
          TooManyInvitationsError: The user has sent too many in the last 24 hours.
        """
        now = timezone.now()
        with transaction.atomic():
            # Locked: two requests at once would both find room.
            get_user_model()._default_manager.select_for_update().get(pk=by.pk)
            # Tasks are counted, since invitations go with their project.
            sent = TaskStatus.objects.filter(
                owner_id=by.pk, task_name=SEND_INVITATION, created_at__gt=now - timedelta(days=1)
            )
            if sent.count() >= INVITATIONS_A_DAY:
                raise TooManyInvitationsError(INVITATIONS_A_DAY)
            old = Invitation.objects.filter(expires_at__lt=now - KEPT).values_list("pk", flat=True)
            Invitation.objects.filter(pk__in=list(old[:DELETED_AT_ONCE])).delete()
            replaced = Invitation.objects.filter(project=project, email__iexact=email).open(now)
            replaced.update(withdrawn_at=now, updated_at=now)
            invitation = Invitation.objects.create(
                project=project, invited_by_id=by.pk, email=email, role=role, expires_at=now + LIFETIME
            )
            actor = dramatiq.get_broker().get_actor(SEND_INVITATION)
            actor.send_with_options(args=(invitation.pk, page_url), owner_id=by.pk)
        return invitation

    @staticmethod
    def withdraw(project: Project, *, invitation_id: int) -> bool:
        """Withdraw an open invitation. Return whether it took."""
        now = timezone.now()
        rows = Invitation.objects.filter(project=project, pk=invitation_id).open(now)
        return bool(rows.update(withdrawn_at=now, updated_at=now))

    @staticmethod
    def mail(invitation_id: int, *, page_url: str, task_id: str) -> bool:
        """Mail the link of an invitation, once a task. Return whether the server has the mail.

        The token is made here and is nowhere but in the mail: the row has its hash.

        Raises:
          MailRefusedError: The mail server refused it for good.
          OSError: The mail server did not take it. Try again later.
        """
        now = timezone.now()
        invitation = (
            Invitation.objects.open(now).filter(pk=invitation_id).select_related("project", "invited_by").first()
        )
        if invitation is None:
            return False
        if invitation.mailed_by == task_id:
            return True
        token = new_token()
        Invitation.objects.filter(pk=invitation_id).update(token_hash=hash_of(token), updated_at=now)
        name = core_mail.in_one_line(invitation.project.name)
        context = {"invitation": invitation, "name": name, "url": f"{page_url}{token}/"}
        message = EmailMessage(
            subject=f"{invitation.invited_by.get_username()} invites you to “{name}”",
            body=render_to_string("projects/invitation_mail.txt", context),
            to=[invitation.email],
        )
        sent = core_mail.send(message)
        if sent:
            Invitation.objects.filter(pk=invitation_id).update(mailed_by=task_id, updated_at=timezone.now())
        return sent

    @staticmethod
    def is_ours(token: str) -> bool:
        """Return whether the token of a link was made here. It asks no database."""
        try:
            _signer().unsign(token)
        except BadSignature:
            return False
        return True

    @staticmethod
    def find(token: str) -> Invitation | None:
        """Return the open invitation of a link's token. None: there is none, whatever the reason."""
        if not InvitationService.is_ours(token):
            return None
        found = Invitation.objects.open(timezone.now()).filter(token_hash=hash_of(token))
        return found.select_related("project", "invited_by").first()

    @staticmethod
    def joined(token: str, *, user: AbstractUser) -> Project | None:
        """Return the project of a link, used or not, if the user is in it already."""
        return Project.objects.visible_to(user).filter(invitations__token_hash=hash_of(token)).first()

    @staticmethod
    def accept(invitation: Invitation, *, user: AbstractUser) -> bool:
        """Make the user a member. Return whether it took: of several users with the link the first one wins.

        One who is in the project already keeps the role, and the invitation stays open.
        """
        now = timezone.now()
        with transaction.atomic():
            project = Project.objects.select_for_update().filter(pk=invitation.project_id).first()
            if project is None:
                return False
            if project.role_of(user) is not None:
                return True
            rows = Invitation.objects.filter(pk=invitation.pk).open(now)
            if not rows.update(accepted_at=now, updated_at=now):
                return False
            Membership.objects.create(project=project, user_id=user.pk, role=invitation.role)
        return True


def new_token() -> str:
    """Return a new token, signed."""
    return _signer().sign(secrets.token_urlsafe(32))


def _signer() -> Signer:
    return Signer(salt="apps.projects.invitation")


def hash_of(token: str) -> str:
    """Return the hash by which a row knows a token."""
    return hashlib.sha256(token.encode()).hexdigest()
