"""Pages of queues and actors, and what operators do to them: pause, resume and purge. Each asks first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import audit, figures, pauses, permission, purging
from apps.tasks.admin import elements, links, row_key, theme
from apps.tasks.admin.actions import TOO_MANY, held_up
from apps.tasks.admin.actor import lines as actor_lines
from apps.tasks.admin.now.page import IN_WORDS, PERIODS
from apps.tasks.admin.queue import lines as queue_lines
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.errors import PurgeError, TaskError
from apps.tasks.models import Pause

WAIT = ngettext_lazy("%(count)s task waits.", "%(count)s tasks wait.", "number")
MANY = ngettext_lazy("More than %(count)s task waits.", "More than %(count)s tasks wait.", "number")
RUN = ngettext_lazy(
    "%(count)s task runs. It goes on to its end.", "%(count)s tasks run. They go on to their end.", "number"
)
PURGING = ngettext_lazy(
    "A task cancels %(count)s task: this is its page.", "A task cancels %(count)s tasks: this is its page.", "number"
)
PURGED = ngettext_lazy("%(count)s task was cancelled.", "%(count)s tasks were cancelled.", "number")


@dataclass(frozen=True, kw_only=True)
class Verb:
    """An act on a queue or an actor.

    Parameters:
      kinds: Kinds that it can be done to.
      needed: Acts of `apps.tasks.permission` that a user needs.
      question: Question by kind, with the name as `%(name)s`.
    """

    name: str
    icon: str
    kinds: tuple[str, ...]
    needed: tuple[str, ...]
    yes: Any
    question: dict[str, Any]
    is_danger: bool = False


PAUSE = Verb(
    name="pause",
    icon="pause",
    kinds=pauses.KINDS,
    needed=("pause",),
    yes=_("Pause"),
    question={pauses.QUEUE: _("Pause the queue %(name)s?"), pauses.ACTOR: _("Pause the actor %(name)s?")},
)
RESUME = Verb(
    name="resume",
    icon="play_arrow",
    kinds=pauses.KINDS,
    needed=("pause",),
    yes=_("Resume"),
    question={pauses.QUEUE: _("Resume the queue %(name)s?"), pauses.ACTOR: _("Resume the actor %(name)s?")},
)
PURGE = Verb(
    name="purge",
    icon="delete_sweep",
    kinds=(pauses.QUEUE,),
    needed=("pause", "cancel"),
    yes=_("Cancel them all"),
    question={pauses.QUEUE: _("Cancel all tasks that wait in the queue %(name)s?")},
    is_danger=True,
)
VERBS = (PAUSE, RESUME, PURGE)


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    """Queues and actors. The list of pauses is the page of the queues."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may see tasks."""
        return permission.may(request.user, "view")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.queues), name="tasks_pause_changelist"),
            # Apart from the others, so that the side bar tells them apart.
            path("queues/", view(self.queues), name="tasks_pause_queues"),
            path("actors/", view(self.actors), name="tasks_pause_actors"),
            path("actor/", view(self.actor), name="tasks_pause_actor"),
            *(path(f"{verb.name}/", view(self.act), {"verb": verb}, name=f"tasks_pause_{verb.name}") for verb in VERBS),
        ]

    # --- Pages ---

    def queues(self, request: HttpRequest) -> HttpResponse:
        """Return the page of all queues."""
        return self._page(request, "tasks/pause/queues.html", _("Queues"), queue_lines.of_all)

    def actors(self, request: HttpRequest) -> HttpResponse:
        """Return the page of all actors, with their figures of a period."""
        return self._page(request, "tasks/pause/actors.html", _("Actors"), lambda: actor_lines.of_all(_period(request)))

    def actor(self, request: HttpRequest) -> HttpResponse:
        """Return the page of one actor."""
        name = request.GET.get("name", "")
        if request.method in ("GET", "HEAD") and self.has_view_permission(request):
            try:
                pauses.check_known(pauses.ACTOR, name)
            except TaskError as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(reverse("admin:tasks_pause_actors"))
        return self._page(
            request, "tasks/pause/actor.html", _("Actor"), lambda: actor_lines.of_one(name, _period(request))
        )

    def _page(
        self, request: HttpRequest, template: str, title: Any, shown: Callable[[], dict[str, Any]]
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        period = _period(request)
        closed = links.closed(request, self.admin_site)
        context = {
            **self.admin_site.each_context(request),
            **shown(),
            "title": title,
            "media": self.styles,
            "may_pause": _may(request, PAUSE),
            "may_purge": _may(request, PURGE),
            "workers_url": links.unless_closed(reverse("admin:tasks_workerprocess_changelist"), closed),
            "periods": [(one.name, text, one is period) for one, text in PERIODS.items()],
            "period_text": IN_WORDS[period],
        }
        return TemplateResponse(request, template, context)

    # --- Verbs ---

    def act(self, request: HttpRequest, verb: Verb) -> HttpResponse:
        """Pause, resume or purge. Ask first."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not self.has_view_permission(request) or not _may(request, verb):
            raise PermissionDenied
        kind, name = request.GET.get("kind", ""), request.GET.get("name", "")
        back = reverse("admin:tasks_pause_actors" if kind == pauses.ACTOR else "admin:tasks_pause_queues")
        try:
            if verb is not RESUME or not Pause.objects.filter(kind=kind, name=name.replace("\x00", "")).exists():
                pauses.check_known(kind, name)
            if kind not in verb.kinds:
                raise PurgeError(gettext("Only a queue can be purged."))
            if request.method == "POST":
                told, task_id = self._done(request, verb, kind, name)
                messages.success(request, told)
                for text in held_up() if task_id else ():
                    messages.warning(request, text)
                return HttpResponseRedirect(links.page_of(task_id) if task_id else back)
            sentences, newest = _before(verb, kind, name)
        except TaskError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(back)
        return self._ask(request, verb, kind, name, sentences=sentences, newest=newest, back=back)

    def _ask(
        self, request: HttpRequest, verb: Verb, kind: str, name: str, *, sentences: list[Any], newest: int, back: str
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        reason = theme.TextInput(attrs={"id": "reason", "maxlength": pauses.WHY_MAX_LENGTH, "autofocus": True})
        context = {
            **self.admin_site.each_context(request),
            "title": verb.question[kind] % {"name": name},
            "media": self.styles,
            "sentences": sentences,
            "reason": reason.render("reason", ""),
            "newest": newest,
            "no": theme.button(_("No, take me back"), href=back),
            "yes": theme.button(verb.yes, icon=verb.icon, kind="danger" if verb.is_danger else "primary"),
        }
        return TemplateResponse(request, "tasks/pause/question.html", context)

    def _done(self, request: HttpRequest, verb: Verb, kind: str, name: str) -> tuple[str, str]:
        """Do it. Return what was done, in a sentence, and the id of a task that does it, if there is one.

        Raises:
          TaskError: It cannot be done.
        """
        by, why = audit.by_user(request.user, door=audit.ADMIN), request.POST.get("reason", "")
        words = {"name": name}
        if verb is PURGE:
            newest = request.POST.get("newest", "")
            purged = purging.purge(name, by=by, why=why, newest=row_key.parse(newest))
            return elements.counted(PURGING if purged.task_id else PURGED, purged.number), purged.task_id
        if verb is RESUME:
            ended = pauses.resume(kind, name, by=by, why=why)
            text = gettext("%(name)s was not paused.") if ended is None else gettext("%(name)s runs again.")
            return text % words, ""
        return elements.pause_text(pauses.pause(kind, name, by=by, why=why)), ""


def _period(request: HttpRequest) -> figures.Period:
    return figures.PERIODS.get(request.GET.get("period", ""), figures.HOUR)


def _may(request: HttpRequest, verb: Verb) -> bool:
    return all(permission.may(request.user, act) for act in verb.needed)


def _before(verb: Verb, kind: str, name: str) -> tuple[list[Any], int]:
    """Return what will become of what, in sentences, and the newest task that is meant. Raises: TaskError."""
    waiting, running, newest = purging.unfinished_of(kind, name)
    is_capped = waiting > purging.MOST
    sentences: list[Any] = [elements.counted(MANY if is_capped else WAIT, min(waiting, purging.MOST))]
    if running:
        sentences.append(elements.counted(RUN, running))
    if verb is PAUSE:
        sentences += [
            _("Workers take no more of them within 2 seconds, and release what they have not started."),
            _("Tasks can be sent as before. New, delayed, scheduled and retried ones wait for the end of the pause."),
            _("A task that has to start before a time fails if the pause lasts longer."),
        ]
    elif verb is RESUME:
        sentences.append(_("What waits starts at once, in its order."))
        if found := Pause.objects.filter(kind=kind, name=name).first():
            sentences.insert(0, elements.pause_text(found))
    else:
        if is_capped:
            sentences += [TOO_MANY, *held_up()]
        sentences += [
            _("They are cancelled and stay in the list of tasks, where they can be retried."),
            _("Tasks that are sent from now on are not meant."),
        ]
    return sentences, newest
