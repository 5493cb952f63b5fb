"""Projects in the API."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.reverse import reverse

from apps.projects.models import Project, Report


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project of the user who makes the request."""

    class Meta:
        model = Project
        fields = ("id", "name", "created_at", "updated_at")


def report_links(report: Report | None, *, request: Request) -> dict[str, Any]:
    """Return a report's time and the addresses of its files; null where there is none."""
    if report is None:
        return {"created_at": None, "html_url": None, "pdf_url": None}
    urls = {
        f"{kind}_url": reverse("report-file", args=[report.project_id, kind], request=request)
        for kind in ("html", "pdf")
    }
    return {"created_at": serializers.DateTimeField().to_representation(report.created_at), **urls}
