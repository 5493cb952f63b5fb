"""What every app's models stand on."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class BaseModel(models.Model):
    """When a row was made and last changed, in UTC."""

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class User(AbstractUser):
    """A writer, or a member of staff who sees the admin."""
