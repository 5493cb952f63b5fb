"""Tasks that a writer sees on the pages."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_safe

from apps.pages import own_tasks
from apps.pages.access import WriterRequest, writers_page
from apps.projects.access import RoleError
from apps.projects.models import Role
from apps.tasks import actions, audit, visibility
from apps.tasks.models import TaskStatus

#: Digits of a key in an address, at most.
MOST_DIGITS = 18


@writers_page
@require_safe
def show(request: WriterRequest) -> HttpResponse:
    """Show the writer's own tasks, the newest first."""
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None
    lines, following = own_tasks.of(request.user, before=before)
    context = {
        "lines": lines,
        "next": following,
        "is_later": before is not None,
        "is_moving": any(not line.task.is_finished for line in lines),
    }
    return render(request, "pages/tasks.html", context)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: WriterRequest, task_id: str) -> HttpResponse:
    """Cancel a task, and lead back to the page that shows it."""
    task = get_object_or_404(visibility.of(request.user, TaskStatus.objects.filter(task_id=task_id)))
    if not visibility.may_cancel(request.user, task):
        raise RoleError(Role.EDITOR)
    if request.method == "POST":
        actions.cancel(task.task_id, by=audit.by_user(request.user, door=audit.PAGE))
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/")
    return redirect(back if is_ours else "pages:home")
