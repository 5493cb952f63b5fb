"""The page of the list of tasks."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import permission
from apps.tasks.admin import elements, theme
from apps.tasks.admin.held import mark_held
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.admin.related import name_related
from apps.tasks.admin.task_list import address, form, saved
from apps.tasks.admin.task_list.row import light, row
from apps.tasks.admin.task_list.saved import SavedViewsAdmin
from apps.tasks.admin.task_list.tabs import tabs
from apps.tasks.models import TaskStatus
from apps.tasks.search import Search, SearchError, parse

#: Actions on all that match, with the states that each is offered for.
ON_ALL = (
    ("retry", _("Retry all %(count)s"), {"failed", "cancelled", "crashed"}),
    ("cancel", _("Cancel all %(count)s"), {
        "waiting", "delayed", "retrying", "limited", "running", "pending", "held", "cancel-requested",
    }),
)  # fmt: skip


class TaskChangeList(theme.ChangeList):  # type: ignore[misc]
    """The list, as its search says."""

    query: str
    #: None: the line is wrong.
    shown: Search | None = None
    search_error = limit = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[TaskStatus]:
        line, self.query = self.query, ""
        tasks: QuerySet[TaskStatus] = super().get_queryset(request, exclude_parameters)
        self.query = line
        try:
            self.shown = parse(line)
        except SearchError as error:
            self.search_error = str(error)
            return tasks.none()
        found = self.shown.find(light(tasks))
        self.limit = self.shown.limit if found.is_limited else ""
        return found.rows

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Unfold shows "(Show all)" beside the heading if they differ.
        self.full_result_count = self.result_count
        name_related(self.result_list, request=request, site=self.model_admin.admin_site)
        mark_held(self.result_list)
        self.rows = [row(task) for task in self.result_list]

    def address(self, line: str) -> str:
        """Return the address of the list with another search, and with the same order."""
        query = {name: value for name, value in self.params.items() if name not in (PAGE_VAR, SEARCH_VAR)}
        return f"?{urlencode(query | ({SEARCH_VAR: line} if line else {}))}"

    @property
    def order(self) -> dict[str, Any]:
        """The link that turns the order around."""
        column = self.list_display.index("created")
        is_oldest_first = self.params.get(ORDER_VAR) == str(column)
        return {
            "href": self.get_query_string({ORDER_VAR: f"-{column}" if is_oldest_first else column}),
            "title": gettext("Newest first") if is_oldest_first else gettext("Oldest first"),
            "arrow": "\u2191" if is_oldest_first else "\u2193",
        }

    @property
    def top(self) -> dict[str, Any]:
        """The part of the page above the rows."""
        shown = self.shown
        return {
            "tabs": tabs(shown, self.address),
            "error": self.search_error,
            "chips": form.chips(shown, self.address) if shown else [],
            "clear": self.address(""),
            "suggestions": form.suggestions(shown),
            "filters": list(form.filters(shown)),
            "limit": self.limit,
        }

    def on_all(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the actions on all that match, if there are any."""
        if not self.shown or not self.result_count or not self.model_admin.has_operate_permission(request):
            return []
        count = elements.number(self.result_count)
        if self.paginator.is_capped:
            count = gettext("%(count)s+") % {"count": count}
        chosen = set(self.shown.values("state"))
        try:
            page = reverse("admin:tasks_taskstatus_all")
        except NoReverseMatch:
            return []
        return [
            {"title": title % {"count": count}, "href": f"{page}?{urlencode({'verb': name, 'q': str(self.shown)})}"}
            for name, title, states in ON_ALL
            if (not chosen or chosen & states) and permission.may(request.user, name)
        ]


class TaskListAdmin(SavedViewsAdmin):
    """The list of tasks, beside the other pages."""

    change_list_template = "tasks/task_list/page.html"
    empty_title = _("No tasks yet")
    empty_text = _("A task appears here as soon as it is sent.")
    #: Columns that can be sorted, or not. The template has the cells.
    list_display = ("created",)
    list_per_page = 50
    list_max_show_all = 0
    list_select_related = ("owner",)
    #: The id has an index. Sorting a large table by another column reads all of it.
    ordering = ("-id",)
    sortable_by = ("created",)
    #: For the search of the list: see `get_search_results`.
    search_fields = ("task_id",)
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ["tasks/list.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[theme.ChangeList]:
        return TaskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], search_term: str
    ) -> tuple[QuerySet[TaskStatus], bool]:
        try:
            return parse(search_term).rows(queryset), False
        except SearchError:
            return queryset.none(), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        request.GET = address.read(request.GET)  # type: ignore[assignment]
        response: HttpResponse = super().changelist_view(request, extra_context)
        cl = getattr(response, "context_data", None) and response.context_data.get("cl")  # type: ignore[attr-defined]
        if isinstance(cl, TaskChangeList):
            response.context_data |= {  # type: ignore[attr-defined]
                "actions_template": theme.template("actions.html"),
                "on_all": cl.on_all(request),
                "order": cl.order,
                "top": cl.top,
                "views": saved.shown(request.user, cl.query, cl.address),
                "may_operate": self.has_operate_permission(request),
                "task_page": reverse("admin:tasks_taskstatus_change", args=[0]).removesuffix("0/change/"),
            }
        return response

    @admin.display(description=_("created"), ordering="id")
    def created(self, task: TaskStatus) -> str:
        return elements.timestamp(task.created_at, short=True)
