"""Users, groups and API tokens in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from rest_framework.authtoken.admin import TokenAdmin as RestTokenAdmin
from rest_framework.authtoken.models import TokenProxy
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.models import User
from apps.accounts.quotas.admin import AllowanceAdmin as AllowanceAdmin

admin.site.unregister(Group)
admin.site.unregister(TokenProxy)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(TokenProxy)
class TokenAdmin(RestTokenAdmin, ModelAdmin):  # type: ignore[misc]
    """A token is a password. The list shows its first characters, its own page all of it."""

    list_display = ("user", "key_start", "created")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: a token is made and deleted, never changed."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["user", "key", "created"] if obj else ["user"]

    @admin.display(description="key")
    def key_start(self, token: Any) -> str:
        return f"{token.key[:4]}…"
