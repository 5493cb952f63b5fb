"""Tasks through the API: to see, and to cancel."""

from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import BaseSerializer

from apps.core.api.body import LimitedBody
from apps.core.api.formats import AlwaysJSON
from apps.core.api.pages import Pages
from apps.core.permission import sees_all
from apps.tasks import actions, audit, permission, visibility
from apps.tasks.api import events, short, streams
from apps.tasks.api.serializers import (
    StaffTaskDetailSerializer,
    StaffTaskSerializer,
    TaskDetailSerializer,
    TaskQuerySerializer,
    TaskSerializer,
)
from apps.tasks.conf import conf
from apps.tasks.errors import TaskError
from apps.tasks.models import TaskStatus


def task_started(request: Request, task_id: str, *, what: str) -> Response:
    """Return the response of every view that starts a task: 202, with the task's id and URL."""
    url = reverse("task-detail", kwargs={"task_id": task_id}, request=request)
    return Response({"status": f"{what} started", "task_id": task_id, "task_url": url}, status=status.HTTP_202_ACCEPTED)


class EndedError(TaskError, APIException):
    """The task has ended already: Completed."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "ended"

    def __init__(self, state: str) -> None:
        APIException.__init__(self, _("The task has ended already: %(state)s.") % {"state": state})


class TaskViewSet(LimitedBody, viewsets.ReadOnlyModelViewSet[TaskStatus]):
    """The tasks that the user sees, the newest first: for staff with the permission all of them."""

    lookup_field = "task_id"
    # Characters that no task id holds make an unknown address. PostgreSQL would refuse a NUL with an error.
    lookup_value_regex = r"[^/\x00]+"
    http_method_names = ["get", "head", "post"]
    # Whatever a project's settings say for its other views.
    permission_classes = (IsAuthenticated,)
    pagination_class = Pages
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysJSON

    def get_queryset(self) -> QuerySet[Any]:
        if self.action != "list":
            found = TaskStatus.objects.filter(task_id=self.kwargs["task_id"]).visible_to(self._user())
            return found.defer("args", "kwargs", "options")
        query = TaskQuerySerializer(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return short.read(TaskStatus.objects.filter(**query.validated_data).visible_to(self._user()).order_by("-id"))

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        return None if page is None else [short.fill(task) for task in page]

    def get_serializer_class(self) -> type[BaseSerializer[TaskStatus]]:
        one = self.action == "retrieve"
        if not sees_all(self._user(), TaskStatus):
            return TaskDetailSerializer if one else TaskSerializer
        return StaffTaskDetailSerializer if one else StaffTaskSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), **self._hidden()}

    @action(detail=True)
    def events(self, request: Request, task_id: str) -> HttpResponseBase:
        """Stream the task as server-sent events until it ends."""
        task = self.get_object()
        if request.headers.get("Last-Event-ID") == events.END_ID and task.is_finished:
            # An EventSource connects again after the end of its stream. This answer stops it.
            return HttpResponse(status=status.HTTP_204_NO_CONTENT)
        serializer = partial(self.get_serializer_class(), context=self._hidden())
        staff = serializer if sees_all(self._user(), TaskStatus) else None
        response = events.response(request, task, staff=staff)
        return streams.counted(response, user_id=self._user().pk, limit=self.event_streams_limit())

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, task_id: str) -> Response:
        """Cancel the task. 200: it is cancelled. 202: it runs, and its worker is asked. 409: it had ended."""
        task = self.get_object()
        if not visibility.may_cancel(self._user(), task):
            raise PermissionDenied(_("You see this task, and only its owner may cancel it."))
        is_cancelled = actions.cancel(task_id, by=audit.by_user(self._user(), door=audit.API))
        task = self.get_object()
        if not is_cancelled and task.is_finished:
            raise EndedError(task.get_status_display())
        found = self.get_serializer(task).data
        return Response(found, status=status.HTTP_200_OK if is_cancelled else status.HTTP_202_ACCEPTED)

    def event_streams_limit(self) -> int:
        """Return the number of event streams that the user may have open at once in this process. 0: no limit."""
        return conf.TASK_EVENT_STREAMS

    def _hidden(self) -> dict[str, bool]:
        """Return the context of a serializer for this user, without the request."""
        user = self._user()
        return {"hides_result": sees_all(user, TaskStatus) and not permission.may(user, "view_arguments")}

    def _user(self) -> Any:
        assert isinstance(self.request.user, AbstractBaseUser), "the permission classes refuse anonymous users"
        return self.request.user
