"""The addresses of reports as files. The API's are in `aiWriting.api`."""

from django.urls import path, register_converter

from apps.projects.views import KINDS, ReportFileView


class KindConverter:
    """The kind of a file that a report has."""

    regex = "|".join(KINDS)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(KindConverter, "report_kind")

urlpatterns = [
    path("projects/<int:project_id>/report.<report_kind:kind>", ReportFileView.as_view(), name="report-file"),
]
