"""The actors that staff may schedule.

A schedule in the admin runs any function with any arguments, as often as its author likes. So superusers alone may
schedule an actor, unless its module says who else may:

    schedulable(clean_expired_documents)
    schedulable(send_weekly_report, permission="projects.change_project")
"""

from typing import Any

from dramatiq import Actor

_permissions: dict[str, str] = {}


def schedulable(actor: Actor[..., Any], *, permission: str = "") -> None:
    """Let staff who may add or change schedules use the actor in them.

    Parameters:
      permission: Permission that they need besides, such as `projects.change_project`.
    """
    _permissions[actor.actor_name] = permission


def may_schedule(user: Any, actor_name: str) -> bool:
    """Return whether the user may make or change schedules of the actor, and run them by hand."""
    if user.is_active and user.is_superuser:
        return True
    permission = _permissions.get(actor_name)
    return permission is not None and (not permission or user.has_perm(permission))
