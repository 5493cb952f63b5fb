"""The addresses under /api/."""

from typing import Any
from urllib.parse import quote

from django.urls import URLPattern, URLResolver, path, re_path, resolve
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

from aiWriting.openapi import description
from apps.accounts.quotas.limits import limits_of
from apps.accounts.tokens.views import TokenView
from apps.documents.views import DocumentViewSet
from apps.projects.views import ProjectViewSet
from apps.tasks.api.views import TaskViewSet


class LimitedTaskViewSet(TaskViewSet):
    """Tasks, with the number of event streams that the user's quota allows."""

    def event_streams_limit(self) -> int:
        return limits_of(self.request.user.pk).event_streams


class UnknownView(APIView):
    """Answers an unknown address with an error in JSON."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # A redirect would lose the posted body.
        with_slash = resolve(f"{request.path_info}/").func
        hint = "" if with_slash is unknown else f" Did you mean {quote(request.path)}/?"
        raise NotFound(f"There is nothing at {quote(request.path)}.{hint}")


unknown = UnknownView.as_view()

router = DefaultRouter()
router.include_format_suffixes = False
router.register("documents", DocumentViewSet, basename="document")
router.register("projects", ProjectViewSet, basename="project")
router.register("tasks", LimitedTaskViewSet, basename="task")

urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
    path("schema/", description.show, name="api-schema"),
    path("token/", TokenView.as_view(), name="token"),
    re_path("", unknown),
]
