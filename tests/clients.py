"""Users of the API, signed in with their tokens."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.accounts.tokens.issuing import issue
from tests import openapi


class DescribedClient(APIClient):
    """A client that compares each answer with the API's description."""

    def request(self, **kwargs: Any) -> Any:
        answer = super().request(**kwargs)
        if self.raise_request_exception:  # Otherwise the test wants an error of ours, which is not described.
            openapi.check(kwargs["REQUEST_METHOD"], kwargs["PATH_INFO"], answer)
        return answer


class Writer(DescribedClient):
    """A client that is signed in as its own user."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user = user
        self.token = issue(user, name="Test")[1]
        self.credentials(HTTP_AUTHORIZATION=f"Token {self.token}")


def writer(username: str = "jane", *, is_staff: bool = False, permissions: Iterable[str] = ()) -> Writer:
    """Make a user with an e-mail address and return a client that is signed in as this user.

    Parameters:
      permissions: Such as `tasks.view_taskstatus`.
    """
    address = f"{username}@example.com"
    user = User.objects.create_user(username, address, "sense-and-sensibility", is_staff=is_staff)
    allow(user, *permissions)
    return Writer(user)


def allow(user: User, *permissions: str) -> None:
    """Give a user permissions such as `tasks.view_taskstatus`."""
    for permission in permissions:
        app_label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app_label, codename=codename))
