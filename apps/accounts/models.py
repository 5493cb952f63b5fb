"""The user model, and the tables of its rooms."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models, transaction

from apps.accounts.quotas.model import Allowance as Allowance
from apps.accounts.quotas.model import Meter as Meter
from apps.accounts.second_factor.model import RecoveryCode as RecoveryCode
from apps.accounts.sessions.model import BrowserSession as BrowserSession
from apps.accounts.sign_in.model import Throttle as Throttle
from apps.accounts.tokens.model import ApiToken as ApiToken


class User(AbstractUser):
    """A writer, or a member of staff who may use the admin."""

    new_email = models.EmailField(
        blank=True, help_text="Address that the user asked for and has not confirmed yet. Written on the account page."
    )

    def set_unusable_password(self) -> None:
        super().set_unusable_password()
        self._password = ""  # A text, as `set_password` leaves one, for `save`.

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the user. A new password revokes the API tokens, since each may have been made with the old one."""
        # Django has no text here when it only computes the hash anew.
        if self._state.adding or getattr(self, "_password", None) is None:
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            super().save(*args, **kwargs)
            ApiToken.objects.filter(user=self).delete()
