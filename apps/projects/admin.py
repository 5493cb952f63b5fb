"""Projects in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from apps.accounts.quotas.errors import QuotaError
from apps.projects.models import Membership, Project
from apps.projects.reports.wording import counted
from apps.projects.services.project_service import ProjectService
from apps.projects.services.report_service import ReportService
from apps.tasks.admin import elements


class ProjectForm(forms.ModelForm):
    """A project, which a new owner must have room for."""

    def clean_owner(self) -> Any:
        owner = self.cleaned_data["owner"]
        if "owner" in self.changed_data:
            try:
                ProjectService.reserve(owner.pk, is_own=False)
            except QuotaError as error:
                raise ValidationError(str(error)) from None
        return owner


@admin.register(Project)
class ProjectAdmin(ModelAdmin):  # type: ignore[misc]
    form = ProjectForm
    list_display = ("name", "owner", "documents", "created")
    list_select_related = ("owner",)
    list_per_page = 50
    search_fields = ("name", "owner__username")
    search_help_text = "Name or owner"
    autocomplete_fields = ("owner",)
    fields = ("name", "owner", "created_at", "updated_at", "report")
    readonly_fields = ("created_at", "updated_at", "report")
    actions = ("make_report",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        queryset: QuerySet[Project] = super().get_queryset(request)
        return queryset.annotate(document_count=Count("documents"))

    @admin.action(description="Make a report of selected projects", permissions=["change"])
    def make_report(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        keys = list(queryset.order_by("pk").values_list("pk", flat=True))
        started = 0
        for project in Project.objects.filter(pk__in=keys).order_by("pk"):
            try:
                ReportService.start(project, owner_id=request.user.pk)
            except Project.DoesNotExist:
                continue  # Deleted a moment ago.
            except QuotaError as error:
                messages.error(request, str(error))
                break
            started += 1
        if started:
            messages.success(request, f"{counted(started, 'report')} on the way.")

    # --- Columns and fields --------------------------------------------------------------------------

    @admin.display(description="documents", ordering="document_count")
    def documents(self, project: Any) -> SafeString:
        url = reverse("admin:documents_document_changelist", query={"project__id__exact": project.pk})
        return format_html('<a href="{}" class="text-link">{}</a>', url, project.document_count)

    @admin.display(description="newest report")
    def report(self, project: Project) -> SafeString | str:
        report = ReportService.newest(project) if project.pk else None
        if report is None:
            return elements.NOTHING
        links = (
            (reverse("report-file", args=[project.pk, kind]), name) for kind, name in (("html", "page"), ("pdf", "PDF"))
        )
        return format_html(
            "{} {}",
            elements.timestamp(report.created_at, short=True),
            format_html_join(" ", '<a href="{}" class="text-link">{}</a>', links),
        )

    @admin.display(description="created", ordering="created_at")
    def created(self, project: Project) -> str:
        return elements.timestamp(project.created_at, short=True)


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    """Members of projects besides the owners."""

    list_display = ("project", "user", "role")
    list_select_related = ("project", "user")
    list_per_page = 50
    search_fields = ("project__name", "user__username")
    search_help_text = "Project or user"
    autocomplete_fields = ("project", "user")
    fields = ("project", "user", "role")
