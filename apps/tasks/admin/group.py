"""Pages of groups of tasks: the list, and one group with its progress and its callbacks."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import ledger, states
from apps.tasks.admin import elements, theme
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.models import TaskGroup
from apps.tasks.values import GroupProgress

#: Members that are counted for one page of the list, at most. A group's own page counts all.
MOST_MEMBERS = 20_000
#: Length in characters of the start of a key that the list shows. A UUID has 36.
KEY_LENGTH = 40
MEMBERS = ngettext_lazy("%(count)s member", "%(count)s members", "number")
CALLBACKS = ngettext_lazy("%(count)s callback", "%(count)s callbacks", "number")

#: Titles of the numbers of a group, with the state of the tasks that they lead to.
NUMBERS = {
    "completed": (_("completed"), states.COMPLETED),
    "failed": (_("failed"), states.FAILED),
    "cancelled": (_("cancelled"), states.CANCELLED),
    "running": (_("running"), states.PROCESSING),
    "waiting": (_("waiting"), states.PENDING),
}


class GroupChangeList(theme.ChangeList):  # type: ignore[misc]
    """Groups with their progress, in one statement for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        counted, members = [], 0
        for group in self.result_list:
            members += group.size
            if members <= MOST_MEMBERS:
                counted.append(group.pk)
        found = ledger.progress_of(TaskGroup.objects.filter(pk__in=counted)) if counted else {}
        for group in self.result_list:
            group.progress = found.get(group.key)


@admin.register(TaskGroup)
class TaskGroupAdmin(ReadOnlyAdmin):
    """Groups, how far they are, and their members by a link."""

    empty_title = _("No groups yet")
    empty_text = _("A group appears here when it is sent: group([first.message(), second.message()]).run().")
    list_display = ("group", "state", "bar", "numbers", "sent", "ended")
    list_per_page = 50
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("key",)
    search_help_text = _("Whole key")
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    readonly_fields = ("whole_key", "state", "bar", "members", "called", "sent", "ended")
    fieldsets = (
        (None, {"fields": (("state", "bar"), "members", "called")}),
        (_("Time"), {"fields": (("sent", "ended"),)}),
        (_("Identity"), {"fields": ("whole_key",)}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[theme.ChangeList]:
        return GroupChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskGroup], search_term: str
    ) -> tuple[QuerySet[TaskGroup], bool]:
        """Look up a whole key by its index."""
        term = search_term.strip()
        return (queryset.filter(key=term) if term else queryset), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.progress = ledger.progress_of(TaskGroup.objects.filter(pk=found.pk)).get(found.key)
        return found

    @admin.display(description=_("group"))
    def group(self, group: TaskGroup) -> SafeString:
        key = group.key if len(group.key) <= KEY_LENGTH else f"{group.key[:KEY_LENGTH]}…"
        note = elements.counted(CALLBACKS, len(_callbacks(group))) if _callbacks(group) else ""
        return elements.named(key, note)

    @admin.display(description=_("key"))
    def whole_key(self, group: TaskGroup) -> str:
        return group.key

    @admin.display(description=_("state"))
    def state(self, group: Any) -> SafeString:
        if group.ended_at is None:
            return elements.label(gettext("Going on"), kind="info")
        progress: GroupProgress | None = group.progress
        if progress is not None and (progress.failed or progress.cancelled):
            return elements.label(gettext("Ended, not all completed"), kind="warning")
        return elements.label(gettext("Ended"), kind="success")

    @admin.display(description=_("progress"))
    def bar(self, group: Any) -> SafeString | str:
        progress: GroupProgress | None = group.progress
        if progress is None or not progress.total:
            return elements.NOTHING
        percent = min(100, 100 * progress.completed // progress.total)
        status = states.FAILED if progress.failed else states.COMPLETED if percent == 100 else states.PROCESSING
        return elements.progress_bar(percent, status=status, name=gettext("Progress of the group"))

    @admin.display(description=_("members"))
    def numbers(self, group: Any) -> SafeString:
        all_of_them = elements.link(_members_url(group), elements.counted(MEMBERS, group.size))
        if group.progress is None:
            return format_html('{}<span class="task-note">{}</span>', all_of_them, gettext("counted on its page"))
        return format_html('{}<span class="task-note">{}</span>', all_of_them, ", ".join(_told(group.progress)))

    @admin.display(description=_("members"))
    def members(self, group: Any) -> SafeString:
        progress: GroupProgress | None = group.progress
        shown = [
            (_members_url(group, status__exact=status), f"{elements.number(getattr(progress, name))} {title}")
            for name, (title, status) in NUMBERS.items()
            if getattr(progress, name, 0)
        ]
        links = format_html_join(", ", '<a href="{}" class="text-link">{}</a>', shown)
        all_of_them = elements.link(_members_url(group), elements.counted(MEMBERS, group.size))
        return format_html("{}{}{}", all_of_them, ": " if shown else "", links)

    @admin.display(description=_("callbacks"))
    def called(self, group: TaskGroup) -> SafeString | str:
        """Return the actors of the callbacks, without their arguments."""
        ends = {"success": gettext("when all have completed"), "finished": gettext("when all have ended")}
        found = [(name, ends.get(end, end)) for name, end in _callbacks(group)]
        return format_html_join("", '<p class="task-text">{} {}</p>', found) if found else elements.NOTHING

    @admin.display(description=_("sent"))
    def sent(self, group: TaskGroup) -> SafeString | str:
        return elements.timestamp(group.created_at, short=True)

    @admin.display(description=_("ended"))
    def ended(self, group: TaskGroup) -> SafeString | str:
        return elements.timestamp(group.ended_at, short=True)


def _told(progress: GroupProgress) -> list[str]:
    return [
        f"{elements.number(getattr(progress, name))} {title}"
        for name, (title, _status) in NUMBERS.items()
        if getattr(progress, name)
    ]


def _callbacks(group: TaskGroup) -> list[tuple[str, str]]:
    """Return the actor and the end of each callback. A row may hold anything."""
    found: list[tuple[str, str]] = []
    for one in group.callbacks if isinstance(group.callbacks, list) else []:
        message = one.get("message") if isinstance(one, dict) else None
        if isinstance(message, dict):
            found.append((str(message.get("actor_name", "")), str(one.get("on", ""))))
    return found


def _members_url(group: TaskGroup, **query: str) -> str:
    found: str = reverse("admin:tasks_taskstatus_changelist", query={"group": group.key, **query})
    return found
