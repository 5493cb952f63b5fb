"""Users of the API, signed in with their tokens."""

from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.accounts.tokens.issuing import issue


class Writer(APIClient):
    """A client that is signed in as its own user."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user = user
        self.token = issue(user, name="Test")[1]
        self.credentials(HTTP_AUTHORIZATION=f"Token {self.token}")


def writer(username: str = "jane", *, is_staff: bool = False) -> Writer:
    """Make a user with an e-mail address and return a client that is signed in as this user."""
    address = f"{username}@example.com"
    return Writer(User.objects.create_user(username, address, "sense-and-sensibility", is_staff=is_staff))
