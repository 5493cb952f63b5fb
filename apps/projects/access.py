"""Access of users to projects, and to the documents and reports in them.

`Project.objects.visible_to` tells which projects a user sees. `require` tells what the user may do there.
"""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied

from apps.projects.models import Project, Role

logger = logging.getLogger(__name__)

#: Sentence for a member who may not do something, by the role that it needs.
REFUSALS = {
    Role.OWNER: "Only the owner of this project may do that.",
    Role.EDITOR: "You may read this project, not change it. Its owner can make you an editor.",
}


class RoleError(PermissionDenied):
    """You may read this project, not change it. Its owner can make you an editor."""

    def __init__(self, needed: Role) -> None:
        super().__init__(REFUSALS[needed])


def require(project: Project, user: Any, *, role: Role) -> None:
    """Check that a user who sees the project has a role that allows more.

    Raises:
      RoleError: The role does not allow it. Django and REST framework answer 403 with its sentence.
    """
    has = project.role_of(user)
    if has is None or not has.allows(role):
        logger.warning("refused account=%s project=%s role=%s needed=%s", user.pk, project.pk, has, role)
        raise RoleError(role)
