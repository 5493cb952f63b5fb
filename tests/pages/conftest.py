"""Two writers with a browser each."""

import pytest
from django.test import Client

from apps.core.models import User
from apps.projects.models import Project
from tests import rows


@pytest.fixture
def jane(db: None) -> User:
    return User.objects.create_user("jane", password="sense-and-sensibility")


@pytest.fixture
def browser(client: Client, jane: User) -> Client:
    """A browser in which jane is signed in."""
    client.force_login(jane)
    return client


@pytest.fixture
def project(jane: User) -> Project:
    """A project of jane's."""
    return rows.project("Novels", owner="jane")
