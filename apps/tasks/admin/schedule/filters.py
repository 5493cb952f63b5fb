"""Filters of the list of schedules."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import theme
from apps.tasks.admin.schedule import state
from apps.tasks.models import Schedule


class StateFilter(theme.DropdownFilter):  # type: ignore[misc]
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, name) for key, (name, _kind) in state.STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> QuerySet[Schedule]:
        if self.value() not in state.STATES:
            return queryset
        # Only the code knows which schedules are broken.
        return queryset.filter(pk__in=[row.pk for row in queryset if state.of(row) == self.value()])


class OriginFilter(theme.DropdownFilter):  # type: ignore[misc]
    title = _("origin")
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("declared", _("Declared in the code")), ("admin", _("Made in the admin"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> QuerySet[Schedule]:
        if self.value() == "declared":
            return queryset.exclude(declared_cron="")
        return queryset.filter(declared_cron="") if self.value() == "admin" else queryset
