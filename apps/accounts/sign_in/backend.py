"""The authentication backend: names and passwords, throttled."""

import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator

from apps.accounts.errors import SignInError, TooManyAttemptsError
from apps.accounts.models import User
from apps.accounts.second_factor import service as second_factor
from apps.accounts.sign_in import hashing, throttling
from apps.accounts.sign_in.client import address_of

logger = logging.getLogger(__name__)

#: Longest name and password that are looked at, in characters. No user has a longer one.
MAX_NAME, MAX_PASSWORD = User._meta.get_field("username").max_length or 0, 1_024


class ThrottledBackend(ModelBackend):
    """Takes a name and a password for any caller of `authenticate`: the pages, the admin and the API.

    A password alone does not sign in a user with a second factor, unless the caller asks for that one next. It says so
    with `second_factor.follows`.
    """

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the user of that name and password. None: there is no such user, or the password is wrong.

        Raises:
          TooManyAttemptsError: Too many passwords were wrong lately.
          HashingBusyError: Too many users sign in at this moment.
          SecondFactorNeededError: The password is right, and does not suffice.
        """
        username = kwargs.get(User.USERNAME_FIELD) if username is None else username
        if username is None or password is None or not _is_possible(username, password):
            return None
        counters = throttling.sign_in_counters(request, username=username)
        account = next((str(counter.user_id) for counter in counters if counter.user_id), "unknown")
        try:
            throttling.count(counters)
        except TooManyAttemptsError as error:
            logger.warning(
                "sign-in refused account=%s address=%s wait_seconds=%s", account, address_of(request), error.wait
            )
            raise
        try:
            with hashing.slots.take():
                user = super().authenticate(request, username=username, password=password)
        except SignInError:
            throttling.take_off(counters)
            raise
        if not isinstance(user, User):
            logger.warning("sign-in failed account=%s address=%s", account, address_of(request))
            return None
        throttling.take_off(counters)
        second_factor.require(request, user)
        return user

    async def aauthenticate(self, request: Any, **kwargs: Any) -> User | None:  # type: ignore[override]
        return await sync_to_async(self.authenticate)(request, **kwargs)


def _is_possible(username: str, password: str) -> bool:
    """Return whether a user may have this name and password."""
    try:
        ProhibitNullCharactersValidator()(username)
        username.encode()
        password.encode()
    except (ValidationError, UnicodeEncodeError):
        return False
    return len(username) <= MAX_NAME and len(password) <= MAX_PASSWORD
