"""Users, groups, sign-in limits and API tokens in the admin."""

from collections.abc import Callable
from typing import Any

import django_otp.plugins.otp_totp.admin  # noqa: F401 (registers the model that is unregistered below)
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.models import ApiToken, Throttle, User
from apps.accounts.quotas.admin import AllowanceAdmin as AllowanceAdmin
from apps.accounts.second_factor import service as second_factor
from apps.accounts.sessions import registry
from apps.accounts.sign_in import throttling

admin.site.unregister(Group)
#: Its pages show secrets. Staff remove an app from the list of users.
admin.site.unregister(TOTPDevice)


#: Fields of a user that decide what the user may do.
PERMISSION_FIELDS = ("is_staff", "is_superuser", "groups", "user_permissions")


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return user is None or not (user.is_staff or user.is_superuser) or _is_superuser(request)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc]
    """Users. Superusers alone give permissions and change staff: a new password lends its maker those of the user."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions = ("unlock", "end_sessions", "remove_second_factor")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_readonly_fields(request, obj)
        return found if _is_superuser(request) else (*found, *PERMISSION_FIELDS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    @admin.action(description="Unlock the sign-in of selected users", permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._do(request, queryset, throttling.unlock, "Sign-in limits lifted")

    @admin.action(description="End all sessions of selected users", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._do(request, queryset, registry.end_all, "Sessions ended")

    @admin.action(description="Remove the two-step sign-in of selected users", permissions=["change"])
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._do(request, queryset, second_factor.remove, "Two-step sign-ins removed")

    def _do(self, request: HttpRequest, users: QuerySet[User], action: Callable[[User], int], description: str) -> None:
        """Do something to each user, and write it into the history of those whom it changed."""
        total = 0
        for user in users:
            if not self.has_change_permission(request, user):
                self.message_user(request, f"{user} is staff, whom superusers alone change.", messages.ERROR)
            elif number := int(action(user)):
                total += number
                self.log_change(request, user, f"{description}.")
        self.message_user(request, f"{description}: {total}.", messages.SUCCESS if total else messages.INFO)


@admin.register(Throttle)
class ThrottleAdmin(ModelAdmin):  # type: ignore[misc]
    """Counters of attempts that are not empty. Deleting one unlocks its account or address."""

    list_display = ("user", "scope", "address", "free_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("user__username", "address")
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Throttle]:
        found: QuerySet[Throttle] = super().get_queryset(request).filter(free_at__gt=timezone.now())
        return found

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups of staff with their permissions, which superusers alone change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):  # type: ignore[misc]
    """The tokens of all users without their secrets. Staff see and revoke them. Only their owners make them."""

    list_display = ("name", "user", "scope", "start", "created_at", "last_used_at", "expires_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "start")
    fields = (*list_display, "is_from_password")
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
