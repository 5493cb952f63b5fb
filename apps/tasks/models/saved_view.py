"""Views of the list of tasks that people saved."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SavedView(models.Model):
    """A search of the list of tasks under a name, for one user or for all."""

    name = models.CharField(_("name"), max_length=60, help_text=_("Name above the list. Written by its user."))
    line = models.CharField(
        _("search"), max_length=1_000, help_text=_("Words of the search, such as state:failed. Written by its user.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="+",
        help_text=_("User who saved it. Written by the page."),
    )
    is_shared = models.BooleanField(
        _("shared"), default=False, help_text=_("Whether all users who see tasks see it. Written by its user.")
    )
    created_at = models.DateTimeField(
        _("created at"), auto_now_add=True, help_text=_("Time of the save, in UTC. Written by the page.")
    )

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="tasks_saved_view_name")]

    def __str__(self) -> str:
        return self.name
