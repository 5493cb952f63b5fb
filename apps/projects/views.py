"""Projects through the API: to their owner, and to nobody else."""

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from apps.core.api.body import LimitedBody
from apps.projects.models import Project
from apps.projects.serializers import ProjectSerializer
from apps.projects.services.report_service import ReportService
from apps.tasks.views import task_started


class ProjectViewSet(LimitedBody, viewsets.ModelViewSet[Project]):
    """The user's own projects. The newest come first."""

    serializer_class = ProjectSerializer
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Project]:
        return Project.objects.filter(owner_id=self.request.user.pk)

    def perform_create(self, serializer: BaseSerializer[Project]) -> None:
        serializer.save(owner=self.request.user)

    @action(detail=True, methods=["post"])
    @transaction.atomic
    def report(self, request: Request, pk: str) -> Response:
        """Start the task that makes the project's report, unless one is on its way already."""
        try:
            task_id = ReportService.start(self.get_object(), owner_id=request.user.pk)
        except Project.DoesNotExist:
            raise NotFound from None
        return task_started(request, task_id, what="Project report")
