"""Deploys of the code."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Deploy(models.Model):
    """The time at which processes began to run another version of the code. The first such process writes it."""

    number = models.PositiveIntegerField(
        _("number"),
        unique=True,
        help_text=_(
            "Number of the deploy, from 1. It is unique: one process writes the deploy. Written by that process."
        ),
    )
    version = models.CharField(
        _("version"),
        max_length=64,
        help_text=_("Version of the code. A version that comes back has a deploy of its own. Written by the process."),
    )
    at = models.DateTimeField(_("at"), help_text=_("Time of the deploy, in UTC. Written by the process."))

    class Meta:
        ordering = ["-number"]
        verbose_name = _("deploy")
        verbose_name_plural = _("deploys")

    def __str__(self) -> str:
        return self.version
