"""Projects, their members, their reports and the mails about them."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models

from apps.core.models import BaseModel
from apps.core.owned_file import OwnedFileField


class Role(models.TextChoices):
    """Role of a user in a project. The owner may do all, a reader only sees."""

    OWNER = "owner", "Owner"
    EDITOR = "editor", "Editor"
    READER = "reader", "Reader"

    def allows(self, needed: "Role") -> bool:
        """Return whether a user with this role may do what the needed role may."""
        order = list(Role)
        return order.index(self) <= order.index(needed)


#: Roles of members. The owner is a column of the project, so that there is exactly one.
MEMBER_ROLES = [(role.value, role.label) for role in (Role.EDITOR, Role.READER)]


class ProjectQuerySet(models.QuerySet["Project"]):
    """Query words for projects."""

    def visible_to(self, user: Any) -> "ProjectQuerySet":
        """Return the projects that the user owns or is a member of.

        The one rule of access to projects and all that is in them. Documents, reports, files and tasks refer to it.
        """
        owned = Project._base_manager.filter(owner_id=user.pk).order_by().values("pk")
        shared = Membership.objects.filter(user_id=user.pk).order_by().values("project_id")
        # Joined by OR, PostgreSQL would expect half of all projects, and read the tables of what is in them.
        return self.filter(pk__in=owned.union(shared, all=True))

    def editable_by(self, user: Any) -> "ProjectQuerySet":
        """Return the projects whose contents the user may change: the own ones, and those that they edit."""
        owned = Project._base_manager.filter(owner_id=user.pk).order_by().values("pk")
        edited = Membership.objects.filter(user_id=user.pk, role=Role.EDITOR).order_by().values("project_id")
        return self.filter(pk__in=owned.union(edited, all=True))


class Project(BaseModel):
    """A body of documents that belongs to one user, who may share it with members."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="projects",
        help_text="User whom the project belongs to. Written when it is made, and by staff.",
    )
    name = models.CharField(max_length=200, help_text="Name of the project. Written by its owner, and by staff.")

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name

    def role_of(self, user: Any) -> Role | None:
        """Return the user's role. None: the user is neither owner nor member."""
        if self.owner_id == user.pk:
            return Role.OWNER
        role = self.memberships.filter(user_id=user.pk).values_list("role", flat=True).first()
        return None if role is None else Role(role)


class Membership(BaseModel):
    """A user whom a project is shared with."""

    project = models.ForeignKey(
        Project,
        on_delete=models.CASCADE,
        related_name="memberships",
        db_index=False,  # The constraint has one that begins with it.
        help_text="Project that is shared. Written when an invitation is accepted, and by staff.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="User whom the project is shared with. Written when an invitation is accepted, and by staff.",
    )
    role = models.CharField(
        max_length=10,
        choices=MEMBER_ROLES,
        help_text="Editor: may change the documents and make reports. Reader: only sees. Written by the owner.",
    )

    class Meta:
        ordering = ["project_id", "id"]
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="projects_membership_once")]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Query words for invitations."""

    def open(self, now: datetime) -> "InvitationQuerySet":
        """Return those that can still be accepted."""
        return self.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=now)


class Invitation(BaseModel):
    """An invitation into a project, sent to an address. It is accepted once, by whoever has its link."""

    project = models.ForeignKey(
        Project,
        on_delete=models.CASCADE,
        related_name="invitations",
        help_text="Project that the invitation is about. Written by its owner.",
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Owner of the project who invites. Written with the invitation.",
    )
    email = models.EmailField(help_text="Address that the link is mailed to. Written by the owner.")
    role = models.CharField(
        max_length=10, choices=MEMBER_ROLES, help_text="Role of the new member. Written by the owner."
    )
    token_hash = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 of the link's token, in hexadecimal digits. Written by the task that mails the link, just "
        "before. Empty: not mailed yet.",
    )
    mailed_by = models.CharField(
        max_length=255,
        blank=True,
        help_text="Id of the task whose mail the server took. Written by that task. Empty: not mailed yet.",
    )
    expires_at = models.DateTimeField(help_text="Time until which it can be accepted, in UTC. Written by the owner.")
    accepted_at = models.DateTimeField(
        null=True, help_text="Time at which a user accepted it, in UTC. Written once, by that user. Null: none did."
    )
    withdrawn_at = models.DateTimeField(
        null=True, help_text="Time at which it was withdrawn or replaced, in UTC. Written by the owner. Null: open."
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["token_hash"], condition=~models.Q(token_hash=""), name="projects_invitation_token"
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.get_role_display()})"


def report_storage() -> Storage:
    """Return the storage of reports, which the settings call `reports`."""
    return storages["reports"]


def stored_name(report: "Report", filename: str) -> str:
    """Return a new name for a file of a report. Two reports of a project never share one."""
    _, _, kind = filename.rpartition(".")
    return f"reports/{report.project_id}/{uuid.uuid4().hex}.{kind}"


class Report(BaseModel):
    """A report on a project, as files. The newest one is shown; `REPORTS_KEPT` are kept."""

    project = models.ForeignKey(
        Project,
        on_delete=models.CASCADE,
        related_name="reports",
        help_text="Project that the report is about. Written by the report's task.",
    )
    task_id = models.CharField(
        max_length=255,
        blank=True,
        help_text="Id of the task that made the report. Written by that task. Empty: made without a task.",
    )
    html = OwnedFileField(
        storage=report_storage,
        upload_to=stored_name,
        help_text="The report as a web page. Written by the report's task.",
    )
    pdf = OwnedFileField(
        storage=report_storage, upload_to=stored_name, help_text="The report as a PDF. Written by the report's task."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Report {self.pk}"


class Mailing(BaseModel):
    """A mail that a mail server took. A task that runs again finds it here and does not send the mail again."""

    task_id = models.CharField(
        max_length=255, unique=True, help_text="Id of the task that sent the mail. Written by that task."
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="User whom the mail was sent to. Written by the task that sent it.",
    )
    message_id = models.CharField(
        max_length=255, help_text="Message-ID header of the mail. Written by the task that sent it."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message_id
