"""Rows that a project writes beside its tasks."""

from django.db import models


class Note(models.Model):
    text = models.CharField(max_length=100)
    progress = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.text
