"""Refusals of a sign-in. The API answers them as they are, and the pages show their sentences."""

from datetime import timedelta

from rest_framework import status
from rest_framework.exceptions import APIException


class SignInError(APIException):
    """A sign-in is refused before it is known whether the password is right."""

    status_code: int = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "throttled"
    #: Seconds after which the client may try again.
    wait = 1

    @property
    def sentence(self) -> str:
        return str(self.detail)


class TooManyAttemptsError(SignInError):
    """Too many attempts. Try again in 3 minutes."""

    def __init__(self, wait: timedelta) -> None:
        self.wait = max(1, -int(-wait.total_seconds() // 1))
        super().__init__(f"Too many attempts. Try again in {spoken(self.wait)}.")


class HashingBusyError(SignInError):
    """Too many users sign in at this moment. Try again in a few seconds."""

    wait = 5
    default_detail = "Too many users sign in at this moment. Try again in a few seconds."


class SecondFactorNeededError(SignInError):
    """This account needs two-step sign-in. Sign in on the pages, and make an API token there."""

    status_code = status.HTTP_403_FORBIDDEN
    default_code = "second_factor_needed"
    default_detail = "This account needs two-step sign-in. Sign in on the pages, and make an API token there."


def spoken(seconds: int) -> str:
    """Return a duration in words: seconds up to a minute and a half, then minutes."""
    if seconds < 90:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
