"""The table of API tokens."""

from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from apps.core.models import BaseModel

#: Time for which a token's last use is not written again, so that few requests pay for the write.
USE_IS_KEPT = timedelta(hours=1)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self) -> "ApiTokenQuerySet":
        """Return the tokens that a program can use now."""
        return self.filter(expires_at__gt=timezone.now(), user__is_active=True)

    def expired(self) -> "ApiTokenQuerySet":
        return self.filter(expires_at__lte=timezone.now())


class ApiToken(BaseModel):
    """A token of a user for a program. Revoking a token deletes its row."""

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Read and write"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        help_text="User as whom a program signs in. Written when the token is made.",
    )
    name = models.CharField(
        max_length=100, help_text="Program or purpose, in the owner's words. Written when the token is made."
    )
    scope = models.CharField(
        max_length=10,
        choices=Scope,
        help_text="Whether the token may change data, or only read it. Written when the token is made.",
    )
    digest = models.CharField(
        max_length=64,
        unique=True,
        help_text="SHA-256 of the secret, which is stored nowhere. Written when the token is made.",
    )
    start = models.CharField(
        max_length=8, help_text="First characters of the secret, for recognition. Written when the token is made."
    )
    is_from_password = models.BooleanField(
        default=False,
        help_text="Whether a program got the token for name and password. Written when the token is made.",
    )
    expires_at = models.DateTimeField(
        help_text="Time from which the token is refused, in UTC. Written when the token is made."
    )
    last_used_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Time of a recent use, up to an hour before the last one. Written by a request. Null: never used.",
    )

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    def note_use(self) -> None:
        """Write the time of a use, unless a recent one is there. A database that refuses the write is no error."""
        now = timezone.now()
        if self.last_used_at is not None and now - self.last_used_at < USE_IS_KEPT:
            return
        seen = models.Q(last_used_at=self.last_used_at) if self.last_used_at else models.Q(last_used_at=None)
        try:
            with transaction.atomic():
                ApiToken.objects.filter(seen, pk=self.pk).update(last_used_at=now)
        except DatabaseError:
            return  # Read-only or locked: the request itself may still be answered.
        self.last_used_at = now
