"""The user model, and the tables of its rooms."""

from django.contrib.auth.models import AbstractUser

from apps.accounts.second_factor.model import RecoveryCode as RecoveryCode
from apps.accounts.sessions.model import BrowserSession as BrowserSession
from apps.accounts.sign_in.model import Throttle as Throttle


class User(AbstractUser):
    """A writer, or a member of staff who may use the admin."""
