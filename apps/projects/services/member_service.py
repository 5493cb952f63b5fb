"""Members of a project."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from apps.projects.models import Invitation, Membership, Project, Role
from apps.projects.services.project_service import ProjectService


class MemberService:
    """All operations on members. Views call these and nothing below them. They check the role of the caller."""

    @staticmethod
    def change_role(project: Project, *, user_id: int, role: Role) -> bool:
        """Give a member another role. Return whether the user is a member."""
        rows = Membership.objects.filter(project=project, user_id=user_id)
        return bool(rows.update(role=role, updated_at=timezone.now()))

    @staticmethod
    def remove(project: Project, *, user_id: int) -> bool:
        """End a membership. Return whether there was one. Open invitations to the member's address are withdrawn."""
        now = timezone.now()
        with transaction.atomic():
            deleted, _ = Membership.objects.filter(project=project, user_id=user_id).delete()
            email = get_user_model().objects.filter(pk=user_id).values_list("email", flat=True).first()
            if deleted and email:
                invitations = Invitation.objects.filter(project=project, email__iexact=email).open(now)
                invitations.update(withdrawn_at=now, updated_at=now)
        return bool(deleted)

    @staticmethod
    def hand_over(project: Project, *, user_id: int) -> bool:
        """Make a member the owner, and the owner an editor. Return whether it took.

        It does not if the user is no member, may not sign in, or if another hand-over was faster.

        Raises:
          NoRoomError: The member owns as many projects as may be.
        """
        with transaction.atomic():
            ProjectService.reserve(user_id, is_own=False)
            locked = Project.objects.select_for_update().filter(pk=project.pk, owner_id=project.owner_id).first()
            rows = Membership.objects.filter(project=project, user_id=user_id, user__is_active=True)
            if locked is None or not rows.exists():
                return False
            rows.delete()
            Membership.objects.create(project=project, user_id=project.owner_id, role=Role.EDITOR)
            Project.objects.filter(pk=project.pk).update(owner_id=user_id, updated_at=timezone.now())
        return True

    @staticmethod
    def members(project: Project) -> Any:
        """Return the memberships of a project with their users, the first members first."""
        found = Membership.objects.filter(project=project).exclude(user_id=project.owner_id)
        return found.select_related("user").order_by("pk")
