"""Projects within the quota of their owner."""

from typing import Any

from django.db import transaction

from apps.accounts.quotas import metering
from apps.accounts.quotas.errors import MORE, NoRoomError
from apps.accounts.quotas.limits import limits_of
from apps.projects.models import Project


class ProjectService:
    """All operations on projects that are more than one statement."""

    @staticmethod
    def create(*, owner: Any, name: str) -> Project:
        """Make a project.

        Parameters:
          name: Validated; at most 200 characters.

        Raises:
          NoRoomError: The owner has as many as may be; the message is for the owner.
        """
        with transaction.atomic():
            ProjectService.reserve(owner.pk)
            return Project.objects.create(owner=owner, name=name)

    @staticmethod
    def reserve(owner_id: int, *, is_own: bool = True) -> None:
        """Check that a user may own one more project, and let no other come until the transaction ends.

        Parameters:
          is_own: Whether the sentence is for that user.

        Raises:
          NoRoomError: The user may not.
        """
        limit = limits_of(owner_id).projects
        if not limit:
            return
        metering.lock(owner_id)
        number = Project.objects.filter(owner_id=owner_id).count()
        if number >= limit:
            has, helps = "You have", f"Delete one, or {MORE}"
            if not is_own:
                has, helps = "This user has", f"One has to be deleted first, or {MORE}"
            raise NoRoomError(f"{has} {number:,} of {limit:,} projects. {helps}.")
