"""The user model."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A writer, or a member of staff who may use the admin."""
