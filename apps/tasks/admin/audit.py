"""Pages of the audit: who did what, and when, from where and why."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import audit
from apps.tasks.admin import elements, theme
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.models import AuditEntry, TaskStatus

TASKS = ngettext_lazy("%(count)s task", "%(count)s tasks", "number")


class VerbFilter(theme.DropdownFilter):  # type: ignore[misc]
    """By what was done."""

    title = _("action")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(audit.VERBS.items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(verb=self.value()) if self.value() else queryset


class AuditChangeList(theme.ChangeList):  # type: ignore[misc]
    """The list. Its heading has no "(Show all)"."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Acts of people on tasks, queues and processes. Nothing here can be changed."""

    empty_title = _("Nothing was done yet")
    empty_text = _("What people do to tasks, queues and workers appears here, with their names.")
    list_display = ("did", "what", "by", "why", "time_briefly")
    list_filter = (VerbFilter, ("door", theme.ChoicesFilter))
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    ordering = ("-id",)
    search_fields = ("target", "name")
    search_help_text = _("What it was done to, or name")
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    readonly_fields = ("did", "what", "by", "why", "time", "meant", "carried_out")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[theme.ChangeList]:
        return AuditChangeList

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields: list[Any] = [("did", "what"), ("by", "time"), "why"]
        fields += ["meant"] if obj is not None and obj.query else []
        fields += ["carried_out"] if obj is not None and obj.task_id else []
        return [(None, {"fields": fields})]

    @admin.display(description=_("action"))
    def did(self, entry: AuditEntry) -> SafeString:
        text = audit.VERBS.get(entry.verb, entry.verb)
        return elements.named(text, entry.value)

    @admin.display(description=_("what"))
    def what(self, entry: AuditEntry) -> SafeString | str:
        """Return the object, or the number of tasks."""
        if entry.row_id is not None:
            name, _space, task_id = entry.target.partition(" ")
            if entry.verb == "delete":
                return elements.named(name, task_id)
            page = reverse("admin:tasks_taskstatus_change", args=[entry.row_id])
            return elements.named(elements.link(page, name), task_id)
        if entry.target:
            return entry.target
        text = elements.counted(TASKS, entry.number)
        if entry.number != entry.total:
            text = gettext("%(tasks)s of %(total)s") % {"tasks": text, "total": elements.number(entry.total)}
        return text

    @admin.display(description=_("by"))
    def by(self, entry: AuditEntry) -> SafeString:
        return elements.named(entry.name, entry.get_door_display())

    @admin.display(description=_("reason"))
    def why(self, entry: AuditEntry) -> SafeString | str:
        return elements.paragraph(entry.reason) if entry.reason else elements.NOTHING

    @admin.display(description=_("time"))
    def time(self, entry: AuditEntry) -> str:
        return elements.timestamp(entry.at)

    @admin.display(description=_("time"))
    def time_briefly(self, entry: AuditEntry) -> str:
        return elements.timestamp(entry.at, short=True)

    @admin.display(description=_("all that matched"))
    def meant(self, entry: AuditEntry) -> SafeString:
        return elements.link(f"{reverse('admin:tasks_taskstatus_changelist')}?{entry.query}", entry.query)

    @admin.display(description=_("carried out by"))
    def carried_out(self, entry: AuditEntry) -> SafeString | str:
        pk = TaskStatus.objects.filter(task_id=entry.task_id).values_list("pk", flat=True).first()
        if pk is None:
            return format_html("{} {}", gettext("a task that is deleted:"), entry.task_id)
        return elements.link(reverse("admin:tasks_taskstatus_change", args=[pk]), entry.task_id)
