"""Filters of the list of tasks. None reads the table to know its choices."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import dramatiq
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.tasks import states
from apps.tasks.admin import theme, waiting
from apps.tasks.models import TaskGroupMember

SPANS = {
    "hour": (_("Last hour"), timedelta(hours=1)),
    "3h": (_("Last 3 hours"), timedelta(hours=3)),
    "day": (_("Last 24 hours"), timedelta(days=1)),
    "week": (_("Last 7 days"), timedelta(days=7)),
    "month": (_("Last 30 days"), timedelta(days=30)),
}


class DeclaredFilter(theme.DropdownFilter):  # type: ignore[misc]
    """By a column whose values the broker knows. A value that it no longer knows is a choice while it is chosen."""

    field = ""

    def declared(self) -> Iterable[str]:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = {*self.declared(), self.value()} - {None, ""}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


class TaskNameFilter(DeclaredFilter):
    title = _("task")
    parameter_name = "task"
    field = "task_name"

    def declared(self) -> Iterable[str]:
        return dramatiq.get_broker().get_declared_actors()


class QueueFilter(DeclaredFilter):
    title = _("queue")
    parameter_name = "queue"
    field = "queue_name"

    def declared(self) -> Iterable[str]:
        return dramatiq.get_broker().get_declared_queues()


class TimeFilter(theme.DropdownFilter):  # type: ignore[misc]
    """By a time that is not longer ago than a span."""

    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, text) for key, (text, _span) in SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in SPANS:
            return queryset
        _text, span = SPANS[self.value()]
        return queryset.filter(**{f"{self.field}__gte": timezone.now() - span})


class CreatedFilter(TimeFilter):
    title = _("time of creation")
    parameter_name = "created"
    field = "created_at"


class EndedFilter(TimeFilter):
    title = _("time of its end")
    parameter_name = "ended"
    field = "finished_at"


class WaitsFilter(theme.DropdownFilter):  # type: ignore[misc]
    """Pending tasks, by what they wait for."""

    title = _("waits for")
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(waits.name, waits.filter_text) for waits in waiting.KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for waits in waiting.KINDS:
            if waits.name == self.value():
                return queryset.filter(waits.condition, status=states.PENDING)
        return queryset


class CauseFilter(theme.DropdownFilter):  # type: ignore[misc]
    """The failures that share a cause. The dashboard links here; there is no choice of causes."""

    title = _("cause")
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        cause = self.value()
        return [(cause, _("Failures of one cause"))] if cause else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(cause=self.value()) if self.value() else queryset


class GroupFilter(theme.DropdownFilter):  # type: ignore[misc]
    """The members of a group. The page of a member links here; there is no choice of groups."""

    title = _("group")
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        key = self.value()
        return [(key, _("Members of one group"))] if key else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        members = TaskGroupMember.objects.filter(group__key=self.value())
        return queryset.filter(task_id__in=members.values("task_id"))
