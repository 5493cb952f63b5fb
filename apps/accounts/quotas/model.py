"""The rows of quotas: limits that staff wrote for a user, and the levels of the user's rates."""

from django.conf import settings
from django.db import models


class Allowance(models.Model):
    """Limits of one user, where they differ from those of the settings."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="allowance",
        help_text="User whom the limits are for. Written by staff.",
    )
    stored_megabytes = models.PositiveBigIntegerField(
        "MB stored",
        null=True,
        blank=True,
        help_text="MB of all manuscripts in the user's projects. Written by staff.",
    )
    documents = models.PositiveIntegerField(
        null=True, blank=True, help_text="Documents in the user's projects. Written by staff."
    )
    projects = models.PositiveIntegerField(
        null=True, blank=True, help_text="Projects that the user owns. Written by staff."
    )
    uploads_a_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Documents that the user may add in a minute. Written by staff."
    )
    tasks = models.PositiveIntegerField(
        null=True, blank=True, help_text="Tasks of the user that wait or run at once. Written by staff."
    )
    event_streams = models.PositiveIntegerField(
        null=True, blank=True, help_text="Event streams of the user at once in a web process. Written by staff."
    )
    reports_an_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="Reports that the user may start in an hour. Written by staff."
    )
    reports_kept = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Reports kept of all projects of the user. The oldest go; the newest of a project stays. "
        "Written by staff.",
    )

    class Meta:
        ordering = ["user__username"]
        verbose_name = "quota"

    def __str__(self) -> str:
        return f"Quotas of {self.user}"


class Meter(models.Model):
    """The row of a user that a request locks before it counts, with the levels of the user's rates.

    A level is the time at which nothing of the rate is used any more. There is one row a user, whatever the number of
    requests.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
        help_text="User who is counted. Written by the first request that counts.",
    )
    uploads_free_at = models.DateTimeField(
        null=True, help_text="Level of the uploads, in UTC. Written by each upload. Null: there was none."
    )
    reports_free_at = models.DateTimeField(
        null=True, help_text="Level of the reports, in UTC. Written by the start of each report. Null: there was none."
    )

    def __str__(self) -> str:
        return f"Meter of user {self.pk}"
