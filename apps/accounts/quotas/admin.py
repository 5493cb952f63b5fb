"""Quotas of single users in the admin."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.accounts.quotas.limits import SETTINGS
from apps.accounts.quotas.model import Allowance


@admin.register(Allowance)
class AllowanceAdmin(ModelAdmin):  # type: ignore[misc]
    """A row raises or lowers limits for one user. An empty field means the limit of the settings."""

    list_display = ("user", *SETTINGS)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    search_help_text = "User"
    autocomplete_fields = ("user",)
    fields = ("user", *SETTINGS)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in SETTINGS:
            usual: int = getattr(settings, SETTINGS[db_field.name])
            standard = f"Empty: {f'{usual:,}' if usual else 'no limit'}. 0: no limit."
            field.help_text = str(db_field.help_text).replace("Written by staff.", standard)
            field.widget.attrs["placeholder"] = str(usual)
        return field
