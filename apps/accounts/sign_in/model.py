"""The counters of attempts."""

from django.conf import settings
from django.db import models


class Throttle(models.Model):
    """A counter of attempts that leaks: with time it empties, and a row whose time has passed means nothing.

    Names that no user has are counted as well, so that both are answered alike. Of them only a digest is stored, since
    passwords are typed into the wrong field at times.
    """

    class Scope(models.TextChoices):
        PAIR = "pair", "account and address"
        ACCOUNT = "account", "account"
        ADDRESS = "address", "address"
        CODE = "code", "codes of an account"
        MAILED = "mailed", "mails to an email address"
        MAILING = "mailing", "mails that a client asked for"

    scope = models.CharField(
        max_length=20, choices=Scope, help_text="Kind of the counter. Written by the first attempt."
    )
    digest = models.CharField(
        max_length=64,
        unique=True,
        help_text="Keyed digest of scope, name and address, to find the row. Written by the first attempt.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="throttles",
        help_text="User whose account is tried. Written by the first attempt. Null: no such user, or an address alone.",
    )
    address = models.CharField(
        max_length=43,
        blank=True,
        help_text="Client: an IPv4 address or a /64 network. Written by the first attempt. Empty: an account alone.",
    )
    free_at = models.DateTimeField(
        db_index=True,
        help_text="Time at which the counter is empty again, in UTC. Written by each attempt.",
    )

    class Meta:
        ordering = ["-free_at"]
        verbose_name = "sign-in limit"

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.user or ''} {self.address}".strip()
