"""The projects' pages in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from apps.projects.models import Project
from apps.tasks.admin import elements


@admin.register(Project)
class ProjectAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "owner", "documents", "created")
    list_select_related = ("owner",)
    list_per_page = 50
    search_fields = ("name", "owner__username")
    search_help_text = "Name or owner"
    autocomplete_fields = ("owner",)
    fields = ("name", "owner", "created_at", "updated_at")
    readonly_fields = ("created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        queryset: QuerySet[Project] = super().get_queryset(request)
        return queryset.annotate(document_count=Count("documents"))

    @admin.display(description="documents", ordering="document_count")
    def documents(self, project: Any) -> SafeString:
        url = reverse("admin:documents_document_changelist", query={"project__id__exact": project.pk})
        return format_html('<a href="{}" class="text-link">{}</a>', url, project.document_count)

    @admin.display(description="created", ordering="created_at")
    def created(self, project: Project) -> str:
        return elements.moment(project.created_at, short=True)
