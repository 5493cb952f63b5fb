"""Rows that a project writes beside its tasks."""

from typing import ClassVar

from django.db import models


class Note(models.Model):
    text = models.CharField(max_length=100)
    progress = models.IntegerField(default=0)

    objects: ClassVar[models.Manager["Note"]] = models.Manager()

    def __str__(self) -> str:
        return self.text
