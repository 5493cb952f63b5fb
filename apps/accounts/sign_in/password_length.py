"""The longest password that is taken, where it is chosen as where it is given."""

from typing import Any

from django.core.exceptions import ValidationError

from apps.accounts.sign_in.backend import MAX_PASSWORD


class MaximumLengthValidator:
    """Refuses a password that the sign-in would not look at."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > MAX_PASSWORD:
            raise ValidationError(
                f"This password is too long. It can have {MAX_PASSWORD:,} characters.", code="password_too_long"
            )

    def get_help_text(self) -> str:
        return f"Your password can have up to {MAX_PASSWORD:,} characters."
