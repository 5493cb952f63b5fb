"""Pages that nobody may change anything on, superusers included."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin, TabularInline


class ReadOnly:
    """For rows that services alone write: a form that saves a row could overwrite what is true by now."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Pages without buttons to add, change or delete."""

    change_list_template = "tasks/read_only_list.html"
    #: What the list says where it has no rows.
    empty_title = ""
    empty_text = ""
    #: Whether there is one: most rows have none, since nobody does anything to them.
    has_history = False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), "show_history": self.has_history}
        )
        return response


class ReadOnlyInline(ReadOnly, TabularInline):  # type: ignore[misc]
    """Rows that belong to a page's object, for those who may see that object."""

    extra = 0
    hide_title = True
    #: The permission to see the page.
    permission = ""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(self.permission)
