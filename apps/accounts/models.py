"""The user model, and the tables of its rooms."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from apps.accounts.quotas.model import Allowance as Allowance
from apps.accounts.quotas.model import Meter as Meter
from apps.accounts.second_factor.model import RecoveryCode as RecoveryCode
from apps.accounts.sessions.model import BrowserSession as BrowserSession
from apps.accounts.sign_in.model import Throttle as Throttle


class User(AbstractUser):
    """A writer, or a member of staff who may use the admin."""

    new_email = models.EmailField(
        blank=True, help_text="Address that the user asked for and has not confirmed yet. Written on the account page."
    )
