"""Arguments of tasks, and options that may quote them, for users who may see them."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.tasks import permission
from apps.tasks.admin import elements


def mark(task: Any, request: HttpRequest) -> None:
    """Set `hides_arguments` on a task: whether the user may not see them."""
    task.hides_arguments = not permission.may(request.user, "view_arguments")


def shown(task: Any, value: Any) -> SafeString | str:
    """Return arguments as JSON, or why they are hidden."""
    if not value:
        return elements.NOTHING
    if getattr(task, "hides_arguments", False):
        return gettext("Hidden: needs the permission %(name)s") % {"name": permission.NEEDED["view_arguments"]}
    return elements.json_block(value)
