"""Keys in addresses that no row can have."""

import pytest
from django.test import Client
from django.urls import get_resolver

from apps.accounts.models import User
from tests import rows

#: One more than SQLite and PostgreSQL store.
TOO_LARGE = 2**63


@pytest.mark.django_db
def test_a_key_that_no_row_can_have_is_not_found(client: Client) -> None:
    project = rows.project(owner="jane")
    client.force_login(User.objects.get(username="jane"))
    for address in (
        f"/projects/{TOO_LARGE}/",
        f"/projects/{project.pk}/members/{TOO_LARGE}/hand-over/",
        f"/projects/{project.pk}/members/{TOO_LARGE}/role/",
        f"/projects/{project.pk}/members/{TOO_LARGE}/remove/",
        f"/projects/{project.pk}/invitations/{TOO_LARGE}/withdraw/",
        f"/account/sessions/{TOO_LARGE}/end/",
        f"/account/tokens/{TOO_LARGE}/revoke/",
    ):
        assert client.post(address).status_code == 404, address


def test_no_address_of_ours_takes_a_number_of_any_size() -> None:
    def routes(patterns: list) -> list[str]:
        return [
            route
            for each in patterns
            for route in (
                routes(each.url_patterns)
                if hasattr(each, "url_patterns") and "admin" not in str(each.pattern)
                else [str(each.pattern)]
            )
        ]

    assert [route for route in routes(get_resolver().url_patterns) if "<int:" in route] == []
