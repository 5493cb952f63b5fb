from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    verbose_name = "Users"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.accounts import checks  # noqa: F401

        user_logged_in.connect(_note_password, dispatch_uid="apps.accounts.sessions.confirmation")


def _note_password(sender: Any, *, request: Any, **kwargs: Any) -> None:
    from apps.accounts.sessions import confirmation

    confirmation.note(request)
