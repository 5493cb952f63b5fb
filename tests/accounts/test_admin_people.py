"""The admin's pages of users, groups and tokens."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from rest_framework.authtoken.models import Token

from apps.accounts.models import User
from tests.pages import get, statements

pytestmark = pytest.mark.django_db

TOKENS = reverse("admin:authtoken_tokenproxy_changelist")


def test_a_user_is_added_with_a_password_that_is_stored_as_a_hash(admin_client: Client) -> None:
    password = "a-walk-to-meryton"
    form = {"username": "jane", "password1": password, "password2": password, "usable_password": "true"}

    response = admin_client.post(reverse("admin:accounts_user_add"), form)

    jane = User.objects.get(username="jane")
    assert response.headers["Location"] == reverse("admin:accounts_user_change", args=[jane.pk])
    assert password not in jane.password
    assert jane.check_password(password)


def test_the_password_of_a_user_can_be_changed(admin_client: Client) -> None:
    jane = User.objects.create_user("jane", password="netherfield")
    form = {"password1": "a-walk-to-meryton", "password2": "a-walk-to-meryton", "usable_password": "true"}

    response = admin_client.post(reverse("admin:auth_user_password_change", args=[jane.pk]), form)

    assert response.status_code == 302
    jane.refresh_from_db()
    assert jane.check_password("a-walk-to-meryton")


def test_a_group_can_be_added(admin_client: Client) -> None:
    admin_client.post(reverse("admin:auth_group_add"), {"name": "Editors"})

    assert list(Group.objects.values_list("name", flat=True)) == ["Editors"]


def test_the_list_of_tokens_shows_none_of_them(admin_client: Client) -> None:
    token = Token.objects.create(user=User.objects.create_user("jane"))

    page = get(admin_client, TOKENS)

    assert f"{token.key[:4]}…" in page.text
    assert token.key not in page.html


def test_the_list_of_tokens_takes_as_many_statements_whatever_its_length(admin_client: Client) -> None:
    Token.objects.create(user=User.objects.create_user("jane"))
    few = statements(admin_client, TOKENS)
    for number in range(20):
        Token.objects.create(user=User.objects.create_user(f"user-{number}"))

    assert len(statements(admin_client, TOKENS)) == len(few)


def test_a_token_is_made_shown_and_deleted_but_not_changed(admin_client: Client) -> None:
    jane = User.objects.create_user("jane")
    admin_client.post(reverse("admin:authtoken_tokenproxy_add"), {"user": jane.pk})
    token = Token.objects.get(user=jane)
    own_page = reverse("admin:authtoken_tokenproxy_change", args=[jane.pk])

    assert token.key in get(admin_client, own_page).text
    assert admin_client.post(own_page, {"user": jane.pk}).status_code == 403

    admin_client.post(reverse("admin:authtoken_tokenproxy_delete", args=[jane.pk]), {"post": "yes"})
    assert not Token.objects.exists()
