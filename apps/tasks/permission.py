"""Permissions of staff on tasks: one for each kind of act, and one to see arguments."""

from typing import Any

#: Permission for each act on tasks, on queues and on actors, and to see what a task was given, logged and returned.
NEEDED = {
    "view": "tasks.view_taskstatus",
    "cancel": "tasks.cancel_taskstatus",
    "retry": "tasks.retry_taskstatus",
    "run_now": "tasks.change_taskstatus",
    "priority": "tasks.change_taskstatus",
    "queue": "tasks.change_taskstatus",
    "delete": "tasks.delete_taskstatus",
    "pause": "tasks.pause_taskstatus",
    "view_arguments": "tasks.view_arguments_taskstatus",
}


def may(user: Any, act: str) -> bool:
    """Return whether a user may do this: superusers, and staff with its permission.

    Parameters:
      act: A key of `NEEDED`.
    """
    if not getattr(user, "is_active", False):
        return False
    if getattr(user, "is_superuser", False):
        return True
    return bool(getattr(user, "is_staff", False)) and bool(user.has_perm(NEEDED[act]))
