"""Pages on which nothing can be edited, not even by superusers."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.tasks.admin import theme


class ReadOnly:
    """For rows that services alone write. A form that saves a row could overwrite newer values."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, theme.ModelAdmin):
    """Pages without buttons to add, change or delete."""

    change_list_template = "tasks/list.html"
    change_form_template = "tasks/read_only.html"
    #: Title and text of a list without rows.
    empty_title: Any = ""
    empty_text: Any = ""
    #: Whether the page links to the history. Most rows have none, since they have no actions.
    has_history = False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form without help texts, which are for people who fill in a form."""
        kwargs["help_texts"] = {field.name: "" for field in self.opts.fields}
        return super().get_form(request, obj, change=change, **kwargs)

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


class ReadOnlyInline(ReadOnly, theme.TabularInline):  # type: ignore[misc]
    """Rows that belong to a page's object, for users who may see that object."""

    extra = 0
    hide_title = True
    #: Permission to see the page.
    permission = ""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(self.permission)
