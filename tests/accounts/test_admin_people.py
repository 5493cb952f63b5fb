"""The admin's pages of users, groups and tokens."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiToken, User
from apps.accounts.tokens.issuing import issue
from tests.pages import get, statements

pytestmark = pytest.mark.django_db

TOKENS = reverse("admin:accounts_apitoken_changelist")


def test_a_user_is_added_with_a_password_that_is_stored_as_a_hash(admin_client: Client) -> None:
    password = "a-walk-to-meryton"
    form = {"username": "jane", "password1": password, "password2": password, "usable_password": "true"}

    response = admin_client.post(reverse("admin:accounts_user_add"), form)

    jane = User.objects.get(username="jane")
    assert response.headers["Location"] == reverse("admin:accounts_user_change", args=[jane.pk])
    assert password not in jane.password
    assert jane.check_password(password)


@pytest.mark.parametrize("name", ["emily", "", "two words", "w" * 151, "nul\0"])
def test_a_name_that_no_user_can_have_is_told_at_the_form(admin_client: Client, name: str) -> None:
    User.objects.create_user("emily")

    response = admin_client.post(
        "/admin/accounts/user/add/",
        {
            "username": name,
            "password1": "a-walk-to-meryton",
            "password2": "a-walk-to-meryton",
            "usable_password": "true",
        },
    )

    assert response.status_code == 200
    assert "username" in response.context["adminform"].form.errors


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


@pytest.fixture
def support(client: Client) -> Client:
    """A browser of staff with all permissions, who is no superuser."""
    user = User.objects.create_user("support", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    client.force_login(user)
    return client


def save(browser: Client, user: User, **values: Any) -> Any:
    form = {"username": user.username, "date_joined_0": "2026-01-01", "date_joined_1": "08:00", "is_active": "on"}
    return browser.post(reverse("admin:accounts_user_change", args=[user.pk]), form | values)


def test_staff_change_a_writer_and_give_no_permission(support: Client) -> None:
    group = Group.objects.create(name="all")
    jane = User.objects.create_user("jane")
    wanted = {"is_staff": "on", "is_superuser": "on", "groups": group.pk, "user_permissions": 1}

    assert save(support, jane, first_name="Jane", **wanted).status_code == 302

    jane.refresh_from_db()
    assert jane.first_name == "Jane"
    assert (jane.is_staff, jane.is_superuser) == (False, False)
    assert not jane.groups.exists()
    assert not jane.user_permissions.exists()


@pytest.mark.parametrize("username", ["support", "root", "other staff"])
def test_staff_change_no_staff(support: Client, username: str) -> None:
    User.objects.create_superuser("root", password="netherfield")
    User.objects.create_user("other staff", is_staff=True, password="netherfield")
    user = User.objects.get(username=username)
    users, new = reverse("admin:accounts_user_changelist"), "a-walk-to-meryton"

    assert save(support, user, is_superuser="on").status_code == 403
    passwords = {"password1": new, "password2": new, "usable_password": "true"}
    for name, values in {"auth_user_password_change": passwords, "accounts_user_delete": {"post": "yes"}}.items():
        assert support.post(reverse(f"admin:{name}", args=[user.pk]), values).status_code == 403
    support.post(users, {"action": "delete_selected", "_selected_action": user.pk, "post": "yes"})
    answer = support.post(users, {"action": "end_sessions", "_selected_action": user.pk}, follow=True)

    assert "is staff, whom superusers alone change" in answer.content.decode()
    user.refresh_from_db()
    assert not user.check_password(new)
    assert user.is_superuser == (username == "root")


def test_the_pages_of_tokens_show_no_secret(admin_client: Client) -> None:
    token, secret = issue(User.objects.create_user("jane"), name="Backup")

    pages = [get(admin_client, TOKENS), get(admin_client, reverse("admin:accounts_apitoken_change", args=[token.pk]))]

    for page in pages:
        assert "Backup" in page.text
        assert token.start in page.text
        assert secret not in page.html
        assert token.digest not in page.html


def test_the_list_of_tokens_takes_as_many_statements_whatever_its_length(admin_client: Client) -> None:
    issue(User.objects.create_user("jane"), name="Backup")
    few = statements(admin_client, TOKENS)
    for number in range(20):
        issue(User.objects.create_user(f"user-{number}"), name="Backup")

    assert len(statements(admin_client, TOKENS)) == len(few)


def test_staff_revoke_a_token_and_neither_make_nor_change_one(admin_client: Client) -> None:
    token, _ = issue(User.objects.create_user("jane"), name="Backup")
    own_page = reverse("admin:accounts_apitoken_change", args=[token.pk])

    assert admin_client.get(reverse("admin:accounts_apitoken_add")).status_code == 403
    assert admin_client.post(own_page, {"name": "Mine"}).status_code == 403

    admin_client.post(reverse("admin:accounts_apitoken_delete", args=[token.pk]), {"post": "yes"})
    assert not ApiToken.objects.exists()
