"""Every page on another database than SQLite, since most tests of single pages and forms run on SQLite alone."""

import pytest
from django.db import connection
from django.test import Client

from tests.access.site import make_busy_site

pytestmark = pytest.mark.django_db


def test_every_page_is_there(client: Client) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("test_hostile.py opens every page on SQLite")
    owner, addresses = make_busy_site()
    client.force_login(owner)
    client.raise_request_exception = False
    answers = {address: client.get(address) for address in addresses}
    wrong = {address: answer.status_code for address, answer in answers.items() if answer.status_code >= 400}
    assert len(answers) > 100
    assert wrong == {}
