"""Views of the list that people saved: their names above the list, saved and deleted."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.tasks.admin import row_key
from apps.tasks.admin.action_pages import OperatedAdmin
from apps.tasks.json_safe import clean_text
from apps.tasks.models import SavedView
from apps.tasks.search import SearchError, parse

#: Views that a user may have, and that a page shows.
MOST, MOST_SHOWN = 50, 100


def views_of(user: Any) -> QuerySet[SavedView]:
    """Return the views of a user and those that are shared."""
    return SavedView.objects.filter(Q(user_id=user.pk) | Q(is_shared=True))


def shown(user: Any, line: str, address: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return the views above the list."""
    return [
        {
            "pk": view.pk,
            "name": view.name,
            "href": address(view.line),
            "is_chosen": view.line == line,
            "is_mine": view.user_id == user.pk,
            "is_shared": view.is_shared,
        }
        for view in views_of(user).order_by("name", "pk")[:MOST_SHOWN]
    ]


class SavedViewsAdmin(OperatedAdmin):
    """Saves and deletes views of the list."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.saved_views)
        return [path("views/", view, name="tasks_taskstatus_views"), *super().get_urls()]

    def saved_views(self, request: HttpRequest) -> HttpResponse:
        """Save a search under a name or, with `delete`, delete a view. Go back to the list."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        line = request.POST.get(SEARCH_VAR, "").strip()
        if "delete" in request.POST:
            _mine(request).filter(pk=row_key.parse(request.POST["delete"]) or 0).delete()
        else:
            level, sentence = self._save(request, line)
            messages.add_message(request, level, sentence)
        found = reverse("admin:tasks_taskstatus_changelist")
        return HttpResponseRedirect(f"{found}?{urlencode({SEARCH_VAR: line})}" if line else found)

    def _save(self, request: HttpRequest, line: str) -> tuple[int, str]:
        """Return the level and the sentence of a message."""
        name = clean_text(" ".join(request.POST.get("name", "").split()))
        is_shared = "is_shared" in request.POST
        try:
            parsed = parse(line)
        except SearchError as error:
            return messages.ERROR, str(error)
        if not parsed:
            return messages.ERROR, _("Search for something first. A view is a search with a name.")
        longest = SavedView._meta.get_field("name").max_length or 0
        if not name or len(name) > longest:
            return messages.ERROR, _("A view needs a name of 1 to %(most)s characters.") % {"most": longest}
        if is_shared and not self.has_operate_permission(request):
            return messages.ERROR, _("You may save views for yourself alone.")
        if _mine(request).exclude(name=name).count() >= MOST:
            return messages.ERROR, _("You have %(most)s views. Delete one first.") % {"most": MOST}
        values = {"line": str(parsed), "is_shared": is_shared}
        user_id: Any = request.user.pk
        SavedView.objects.update_or_create(user_id=user_id, name=name, defaults=values)
        return messages.SUCCESS, _('The view "%(name)s" was saved.') % {"name": name}


def _mine(request: HttpRequest) -> QuerySet[SavedView]:
    return SavedView.objects.filter(user_id=request.user.pk or 0)
