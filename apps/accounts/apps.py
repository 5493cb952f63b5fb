import logging
from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.utils import timezone

logger = logging.getLogger(__name__)


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    verbose_name = "Users"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.accounts import checks  # noqa: F401

        user_logged_in.connect(_note_password, dispatch_uid="apps.accounts.sessions.confirmation")


def _note_password(sender: Any, *, request: Any, user: Any, **kwargs: Any) -> None:
    from apps.accounts.sessions import confirmation
    from apps.accounts.sign_in.client import address_of

    confirmation.note(request)
    # As a timestamp: what is written into the session later does not prolong it.
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    logger.info("signed in account=%s address=%s", user.pk, address_of(request))
