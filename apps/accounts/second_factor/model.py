"""The recovery codes of users."""

from django.conf import settings
from django.db import models


class RecoveryCode(models.Model):
    """A code that takes the place of a lost authenticator app, once. The code itself is stored nowhere."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="recovery_codes",
        help_text="User who may sign in with the code. Written when it is made.",
    )
    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of user and code, in hexadecimal. Written when it is made."
    )

    def __str__(self) -> str:
        return f"recovery code {self.pk}"
