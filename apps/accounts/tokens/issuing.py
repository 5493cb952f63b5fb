"""Issue API tokens."""

import logging
import unicodedata
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.tokens import secret as secrets
from apps.accounts.tokens.errors import TokenLifetimeError, TokenNameError, TooManyTokensError
from apps.accounts.tokens.model import ApiToken

logger = logging.getLogger(__name__)

#: Longest name of a token, in characters.
MAX_NAME = ApiToken._meta.get_field("name").max_length or 0
#: Categories of Unicode with control characters, line and paragraph separators, and surrogates.
UNSHOWN = ("Cc", "Cs", "Zl", "Zp")


def issue(
    user: User,
    *,
    name: str,
    scope: str = ApiToken.Scope.WRITE,
    days: int | None = None,
    is_from_password: bool = False,
) -> tuple[ApiToken, str]:
    """Make a token and return it with its secret, which nothing can show again.

    Parameters:
      days: Lifetime. None: `API_TOKEN_DAYS`.
      is_from_password: Whether name and password were sent for it. Programs ask so again and again: beyond the limit
        the oldest of these tokens goes.
    Raises:
      TokenNameError: `name` has not 1 to 100 characters, or one that is a control character or half of one.
      TokenLifetimeError: `days` is not between 1 and `API_TOKEN_MAX_DAYS`.
      TooManyTokensError: The user has `API_TOKENS_PER_USER` tokens.
    """
    days = settings.API_TOKEN_DAYS if days is None else days
    if not 1 <= days <= settings.API_TOKEN_MAX_DAYS:
        raise TokenLifetimeError(f"A token may live for 1 to {settings.API_TOKEN_MAX_DAYS} days.")
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or any(unicodedata.category(character) in UNSHOWN for character in name):
        raise TokenNameError(f"The name of a token has 1 to {MAX_NAME} characters in one line.")
    secret = secrets.make()
    with transaction.atomic():
        # Requests at the same time must not exceed the limit together.
        User.objects.select_for_update().filter(pk=user.pk).exists()
        _make_room(user, may_replace=is_from_password)
        token = ApiToken.objects.create(
            user=user,
            name=name,
            scope=scope,
            digest=secrets.digest(secret),
            start=secret[: secrets.START_LENGTH],
            is_from_password=is_from_password,
            expires_at=timezone.now() + timedelta(days=days),
        )
    logger.info("API token made account=%s token=%s by_password=%s", user.pk, token.pk, is_from_password)
    return token, secret


def _make_room(user: User, *, may_replace: bool) -> None:
    """Delete expired tokens, and the oldest that a password can replace."""
    own = ApiToken.objects.filter(user=user)
    if own.count() < settings.API_TOKENS_PER_USER:
        return
    own.expired().delete()
    surplus = own.count() - settings.API_TOKENS_PER_USER + 1
    if surplus <= 0:
        return
    replaced = own.filter(is_from_password=True).order_by("pk")[:surplus] if may_replace else own.none()
    if len(replaced) < surplus:
        raise TooManyTokensError(
            f"You have {own.count()} API tokens, and at most {settings.API_TOKENS_PER_USER} can be kept. "
            "Revoke one that you do not need."
        )
    own.filter(pk__in=[token.pk for token in replaced]).delete()
