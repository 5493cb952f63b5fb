"""Requests of operators to one worker process: take nothing new, work again, or stop. Each asks first."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import audit, presence
from apps.tasks.admin import elements, theme
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess

#: Running tasks that a question names.
NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to a worker process.

    Parameters:
      name: Name in addresses, and of the act in the audit.
      wanted: Text that its row gets.
      sentences: Its effects, before it is confirmed.
      after: Sentence when the request is made.
      history: Entry in the history of the process.
      when: Requests of a process that lets it have this button.
    """

    name: str
    wanted: str
    title: Any
    question: Any
    sentences: tuple[Any, ...]
    after: Any
    history: Any
    icon: str
    when: tuple[str, ...]
    is_danger: bool = False


QUIET = Request(
    name="quiet",
    wanted=WorkerProcess.WANTED_QUIET,
    title=_("Take nothing new"),
    question=_("Let %(process)s take nothing new?"),
    sentences=(
        _("It finishes the tasks that it runs. Those that wait for one of its threads are released for other workers."),
        _(
            "It stays quiet until you let it work again, stop it, or it ends. A process that its supervisor then "
            "starts in its place is not quiet."
        ),
    ),
    after=_("%(process)s takes nothing new within 2 seconds."),
    history=_("Asked to take nothing new."),
    icon="bedtime",
    when=("",),
)
RESUME = Request(
    name="resume",
    wanted="",
    title=_("Work again"),
    question=_("Let %(process)s work again?"),
    sentences=(_("It takes tasks again within 2 seconds."),),
    after=_("%(process)s works again within 2 seconds."),
    history=_("Asked to work again."),
    icon="resume",
    when=(WorkerProcess.WANTED_QUIET,),
)
STOP = Request(
    name="stop",
    wanted=WorkerProcess.WANTED_STOP,
    title=_("Stop"),
    question=_("Stop %(process)s?"),
    sentences=(
        _(
            "It stops as after SIGTERM: its running tasks have %(seconds)s seconds to end. Those that have not ended "
            "by then are released and start again, which costs no retry."
        ),
        _(
            "Its supervisor starts another process in its place at once. To have fewer processes, stop the whole "
            "worker and start it with fewer."
        ),
    ),
    after=_("%(process)s begins to stop within 2 seconds."),
    history=_("Asked to stop."),
    icon="stop_circle",
    when=("", WorkerProcess.WANTED_QUIET),
    is_danger=True,
)
REQUESTS = (QUIET, RESUME, STOP)

ALONE = _("No other worker takes tasks: all new ones wait.")
ENDED = _("%(process)s is left as it is: it has ended, or is stopping already.")


class RequestsAdmin(ReadOnlyAdmin):
    """Adds the requests to the page of a worker process."""

    change_form_template = "tasks/process_page.html"
    has_history = True

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may change processes. There is no permission to save a form of a process."""
        return bool(request.user.has_perm("tasks.change_workerprocess"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._request)
        own = [
            path(f"<str:object_id>/{one.name}/", view, {"made": one}, name=f"tasks_workerprocess_{one.name}")
            for one in REQUESTS
        ]
        return [*own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        process = kwargs.get("obj")
        if process is not None and self.has_operate_permission(request):
            context["buttons"] = [
                theme.button(
                    one.title, href=reverse(f"admin:tasks_workerprocess_{one.name}", args=[process.pk]), icon=one.icon
                )
                for one in REQUESTS
                if _applies(one, process)
            ]
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    def _request(self, request: HttpRequest, object_id: Any, made: Request) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not self.has_operate_permission(request):
            raise PermissionDenied
        process = self.get_object(request, str(object_id))
        if process is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
            return gone
        if request.method != "POST" and _applies(made, process):
            return self._ask(request, process, made)
        if _applies(made, process) and self._make(request, process, made):
            messages.success(request, made.after % {"process": process})
        else:
            messages.warning(request, ENDED % {"process": process})
        return HttpResponseRedirect(reverse("admin:tasks_workerprocess_change", args=[process.pk]))

    def _make(self, request: HttpRequest, process: WorkerProcess, made: Request) -> bool:
        """Make the request, and note who did. Return whether it took."""
        with transaction.atomic():
            if not presence.request(process.pk, made.wanted):
                return False
            audit.note(made.name, by=audit.by_user(request.user, door=audit.ADMIN), target=f"worker:{process.pk}")
            self.log_change(request, process, str(made.history))
        return True

    def _ask(self, request: HttpRequest, process: Any, made: Request) -> HttpResponse:
        others = WorkerProcess.objects.workers().beating().filter(wanted="").exclude(pk=process.pk)
        is_alone = made is not RESUME and not others.exists()
        sentences = [one % {"seconds": conf.WORKER_DRAIN_SECONDS} for one in made.sentences]
        running = process.running or []
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": made.question % {"process": process},
            "opts": self.opts,
            "media": self.styles,
            "sentences": [*sentences, *([ALONE] if is_alone else [])],
            "no": theme.button(
                _("No, take me back"), href=reverse("admin:tasks_workerprocess_change", args=[process.pk])
            ),
            "yes": theme.button(made.title, icon=made.icon, kind="danger" if made.is_danger else "primary"),
            "named": [
                {
                    "task": task,
                    "label": elements.label(gettext("Running"), kind="info"),
                    "created": elements.timestamp(task.started_at, short=True),
                }
                for task in running[:NAMED]
            ],
            "not_named": max(0, len(running) - NAMED),
        }
        return TemplateResponse(request, "tasks/confirm.html", context)


def _applies(made: Request, process: WorkerProcess) -> bool:
    is_living_worker = process.kind == WorkerProcess.KIND_WORKER and process.stopped_at is None
    return is_living_worker and process.wanted in made.when
