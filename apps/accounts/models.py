"""The user model, and the tables of its rooms."""

from django.contrib.auth.models import AbstractUser

from apps.accounts.quotas.model import Allowance as Allowance
from apps.accounts.quotas.model import Meter as Meter


class User(AbstractUser):
    """A writer, or a member of staff who may use the admin."""
