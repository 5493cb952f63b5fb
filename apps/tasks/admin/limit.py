"""Pages of limits: the list, and one limit, which staff may change while its actor runs."""

import copy
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import elements, theme
from apps.tasks.limits import declared, figures, stored
from apps.tasks.models import Limit

WAITING = ngettext_lazy("%(count)s task", "%(count)s tasks", "number")
LINES = ngettext_lazy("in %(count)s line", "in %(count)s lines", "number")


@admin.register(Limit)
class LimitAdmin(theme.ModelAdmin):
    """Limits of actors, with the places that are used and the tasks that wait."""

    change_list_template = "tasks/list.html"
    empty_title = _("No limits yet")
    empty_text = _("Declare one on an actor with concurrency=3, rate_limit='10/m' or fair_by='owner'.")
    list_display = ("actor", "places", "starts", "turns", "waits", "oldest", "origin")
    list_per_page = 50
    ordering = ("task_name",)
    sortable_by = ()
    search_fields = ("task_name",)
    search_help_text = _("Actor")
    show_facets = admin.ShowFacets.NEVER
    readonly_fields = ("task_name", "turns", "places", "starts", "waits", "oldest", "origin")
    fieldsets = (
        (None, {"fields": ("task_name", "turns", "origin")}),
        (_("Limit"), {"fields": ("concurrency", "rate_limit")}),
        (_("Now"), {"fields": (("places", "starts"), ("waits", "oldest"))}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        if Limit.objects.count() < len(declared.all_of_them()):
            stored.update()  # No relay has started yet since the code has them.
        return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: limits are declared in the code."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Limit | None = None) -> bool:
        """Return whether the user may delete the limit. A declared one would come back, and can only be lifted."""
        return obj is not None and not self._is_known(obj) and bool(super().has_delete_permission(request, obj))

    @staticmethod
    def _is_known(limit: Limit) -> bool:
        return declared.of(limit.task_name) is not None

    @admin.display(description=_("actor"), ordering="task_name")
    def actor(self, limit: Limit) -> str:
        return limit.task_name

    @admin.display(description=_("places in use"))
    def places(self, limit: Limit) -> str:
        limit = self._stored(limit)
        used = elements.number(self._figures(limit).used)
        if limit.concurrency is None:
            return gettext("%(used)s, no limit") % {"used": used}
        if not limit.concurrency:
            return gettext("%(used)s, no more are started") % {"used": used}
        return self._of(limit, used, elements.number(limit.concurrency))

    @admin.display(description=_("starts"))
    def starts(self, limit: Limit) -> str:
        limit = self._stored(limit)
        if not limit.rate_limit:
            return elements.NOTHING
        return self._of(limit, elements.number(self._figures(limit).started), limit.rate_limit)

    def _of(self, limit: Limit, used: str, most: str) -> str:
        """Return what is used of the limit, in words."""
        words = {"used": used, "limit": most}
        if self._is_by_key(limit):
            return gettext("%(used)s, %(limit)s for each key") % words
        return gettext("%(used)s of %(limit)s") % words

    @admin.display(description=_("keys"))
    def turns(self, limit: Limit) -> SafeString:
        if limit.is_fair:
            return elements.unbroken(gettext("take turns"))
        return elements.unbroken(gettext("one limit each") if self._is_by_key(limit) else gettext("one line"))

    @admin.display(description=_("waiting"))
    def waits(self, limit: Limit) -> SafeString | str:
        found = self._figures(self._stored(limit))
        if not found.waiting:
            return elements.NOTHING
        more = "+" if found.waiting >= figures.MOST else ""
        text = elements.counted(WAITING, found.waiting) + more
        if found.lines > 1:
            text = f"{text} {elements.counted(LINES, found.lines)}"
        query = {"task_name__exact": limit.task_name, "status__exact": "pending", "in_line__exact": "1"}
        return elements.link(reverse("admin:tasks_taskstatus_changelist", query=query), text)

    @admin.display(description=_("oldest waits since"))
    def oldest(self, limit: Limit) -> SafeString | str:
        return elements.timestamp(self._figures(self._stored(limit)).oldest_at)

    @admin.display(description=_("origin"))
    def origin(self, limit: Limit) -> SafeString | str:
        limit = self._stored(limit)
        if not self._is_known(limit):
            return elements.label(gettext("not in this code"), kind="default")
        if not limit.is_overridden:
            return gettext("the code")
        parts = []
        if limit.declared_concurrency is not None:
            parts.append(gettext("concurrency %(limit)s") % {"limit": elements.number(limit.declared_concurrency)})
        if limit.declared_rate_limit:
            parts.append(gettext("rate %(limit)s") % {"limit": limit.declared_rate_limit})
        told = gettext("In the code: %(limits)s") % {"limits": ", ".join(parts) or gettext("no limit")}
        return elements.named(elements.label(gettext("changed"), kind="warning"), told)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the limit with a copy of its row. A form that is refused has changed the limit, not the row."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.stored = copy.copy(found)
        return found

    @staticmethod
    def _stored(limit: Any) -> Limit:
        stored: Limit = getattr(limit, "stored", limit)
        return stored

    def _is_by_key(self, limit: Limit) -> bool:
        """Return whether each key has the limit for itself. Of an actor that is not in this code, the rows tell."""
        found = declared.of(limit.task_name)
        if found is None:
            return not limit.is_fair and self._figures(limit).lines > 1
        return found.key is not None and not found.is_fair

    @staticmethod
    def _figures(limit: Any) -> figures.Figures:
        """Return the figures, read once for all columns of a page."""
        if not hasattr(limit, "figures"):
            limit.figures = figures.of(limit)
        found: figures.Figures = limit.figures
        return found
