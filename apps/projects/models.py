"""A project: what a writing team works on."""

from django.conf import settings
from django.db import models

from apps.core.models import BaseModel


class Project(BaseModel):
    """A body of documents that belongs to one user; nobody else but staff sees it."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="projects")
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name
