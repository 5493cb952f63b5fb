"""Effects of the test actors. Each run writes one, so that a run too many is noticed."""

from typing import ClassVar

from django.db import models


class Effect(models.Model):
    """One run of an actor."""

    nonce = models.CharField(max_length=100, db_index=True)
    task_id = models.CharField(max_length=255)
    attempt = models.IntegerField()
    pid = models.IntegerField()
    at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Effect"]] = models.Manager()
