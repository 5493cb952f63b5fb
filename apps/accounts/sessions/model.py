"""The sessions of users."""

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models


class BrowserSession(models.Model):
    """A session of a user who signed in, with the browser's name and address. It outlives the session for a while.

    Strangers who guess a password cannot slow down its user where the user has signed in lately.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="browser_sessions",
        help_text="User who signed in. Written by the first request.",
    )
    session = models.OneToOneField(
        Session,
        on_delete=models.SET_NULL,
        null=True,
        related_name="browser_session",
        help_text="Session in Django's table. Written by the first request. Null: it ended.",
    )
    user_agent = models.CharField(
        max_length=300, blank=True, help_text="User-Agent header of the browser. Written by its last request."
    )
    address = models.CharField(
        max_length=43,
        blank=True,
        help_text="Address of the client: IPv4, or the /64 network of IPv6. Written by its last request.",
    )
    created_at = models.DateTimeField(
        auto_now_add=True, help_text="Time of the sign-in, in UTC. Written once, by Django."
    )
    seen_at = models.DateTimeField(
        help_text="Time of a recent request, in UTC. Written by a request when it is older than `SEEN_SECONDS`."
    )

    class Meta:
        ordering = ["-seen_at"]
        indexes = [models.Index(fields=["user", "address"], name="accounts_session_address")]

    def __str__(self) -> str:
        return f"session {self.pk}"
