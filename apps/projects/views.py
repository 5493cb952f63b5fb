"""Projects through the API, and their reports as files."""

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotAuthenticated, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from apps.core.api.body import LimitedBody
from apps.core.permission import sees_all
from apps.projects.access import require
from apps.projects.models import Project, Role
from apps.projects.reports.filename import filename
from apps.projects.serializers import ProjectSerializer, report_links
from apps.projects.services.project_service import ProjectService
from apps.projects.services.report_service import ReportService
from apps.tasks.api.views import task_started

#: Roles that actions on a project need. Any other action needs a reader.
NEEDED = {"partial_update": Role.OWNER, "destroy": Role.OWNER, "start_report": Role.EDITOR}


class ProjectViewSet(LimitedBody, viewsets.ModelViewSet[Project]):
    """The projects that the user owns or is a member of, the newest first."""

    serializer_class = ProjectSerializer
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Project]:
        return Project.objects.visible_to(self.request.user)

    def get_object(self) -> Project:
        """Return the project if the user's role allows the action."""
        project: Project = super().get_object()
        require(project, self.request.user, role=NEEDED.get(str(self.action), Role.READER))
        return project

    def perform_create(self, serializer: BaseSerializer[Project]) -> None:
        serializer.instance = ProjectService.create(owner=self.request.user, **serializer.validated_data)

    @action(detail=True, methods=["get"])
    def report(self, request: Request, pk: str) -> Response:
        """Return the addresses of the project's newest report; null where there is none."""
        return Response(report_links(ReportService.newest(self.get_object()), request=request))

    @report.mapping.post
    @transaction.atomic
    def start_report(self, request: Request, pk: str) -> Response:
        """Start the task that makes the project's report, unless one is unfinished already."""
        try:
            task_id = ReportService.start(self.get_object(), owner_id=request.user.pk)
        except Project.DoesNotExist:
            raise NotFound from None
        return task_started(request, task_id, what="Project report")


#: A report's page may only show itself. Its own policy says the same, and names its one style sheet.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox"
)
KINDS = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}


class ReportFileView(LimitedBody):
    """A project's newest report as a file, with a session or a token."""

    http_method_names = ["get", "head"]

    def get(self, request: Request, project_id: int, kind: str) -> HttpResponse:
        """Return the file. A browser shows the page, and saves the PDF under the project's name."""
        found = Project.objects.all()
        projects = found if sees_all(request.user, Project) else found.visible_to(request.user)
        project = projects.filter(pk=project_id).first()
        report = ReportService.newest(project) if project else None
        if project is None or report is None:
            raise Http404
        try:
            with (report.pdf if kind == "pdf" else report.html).open() as file:
                response = HttpResponse(file.read(), content_type=KINDS[kind])
        except FileNotFoundError:
            raise Http404 from None  # Deleted a moment ago.
        name = filename(project.name, kind=kind)
        response["Content-Disposition"] = str(content_disposition_header(as_attachment=kind == "pdf", filename=name))
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = PAGE_POLICY
        return response

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """Send a person who is not signed in to the sign-in page. A program gets the usual answer."""
        if isinstance(exc, NotAuthenticated) and "text/html" in self.request.headers.get("Accept", ""):
            return redirect_to_login(self.request.get_full_path())
        return super().handle_exception(exc)
