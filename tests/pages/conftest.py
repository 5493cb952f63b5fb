"""A writer and her browser."""

import pytest
from django.test import Client

from apps.accounts.models import User


@pytest.fixture
def jane(db: None) -> User:
    return User.objects.create_user("jane", password="sense-and-sensibility")


@pytest.fixture
def browser(client: Client, jane: User) -> Client:
    """A browser in which jane is signed in."""
    client.force_login(jane)
    return client
