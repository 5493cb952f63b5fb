"""Numbers in addresses and forms that no column holds."""

import pytest
from django.test import Client

from apps.accounts.models import Allowance, User
from apps.projects.models import Membership, Project
from tests import rows

pytestmark = pytest.mark.django_db

HUGE = 10**30


@pytest.mark.parametrize(
    "path",
    [
        f"documents/document/?project__id__exact={HUGE}", f"projects/project/{HUGE}/change/",
        f"accounts/apitoken/{HUGE}/delete/",
    ],
)  # fmt: skip
def test_a_page_of_the_admin_refuses_a_number_that_no_key_has(admin_client: Client, path: str) -> None:
    assert admin_client.get(f"/admin/{path}").status_code in (200, 302, 400)


@pytest.mark.parametrize("query", ["kind__range=x", "kind__range=", "started_at__year=-1", f"started_at__year={HUGE}"])
def test_a_list_of_the_admin_refuses_a_value_that_its_lookup_cannot_take(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"/admin/tasks/alert/?{query}").status_code == 400


@pytest.mark.parametrize("page", ["change", "delete"])
def test_a_page_of_the_admin_refuses_an_empty_name_of_a_field(admin_client: Client, page: str) -> None:
    project = rows.project(owner="jane")
    assert admin_client.get(f"/admin/projects/project/{project.pk}/{page}/?_to_field=").status_code == 400


@pytest.mark.parametrize("model", ["accounts/user", "accounts/allowance", "projects/project", "documents/document"])
def test_an_action_of_the_admin_refuses_a_number_that_no_key_has(admin_client: Client, model: str) -> None:
    form = {"action": "delete_selected", "_selected_action": HUGE, "post": "yes"}

    assert admin_client.post(f"/admin/{model}/", form).status_code in (302, 400)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("projects/project", {"name": "Novels", "owner": HUGE}),
        ("projects/membership", {"project": HUGE, "user": HUGE, "role": "editor"}),
        ("accounts/allowance", {"user": HUGE}),
    ],
)
def test_a_form_of_the_admin_refuses_a_number_that_no_key_has(
    admin_client: Client, model: str, values: dict[str, object]
) -> None:
    assert admin_client.post(f"/admin/{model}/add/", values).status_code in (200, 400)
    assert not Project.objects.exists()
    assert not Membership.objects.exists()
    assert not Allowance.objects.exists()


@pytest.mark.parametrize("key", [2**63, HUGE])
def test_a_key_that_no_row_can_have_is_answered_as_one_that_no_row_has(client: Client, key: int) -> None:
    """Django knows the ranges of its columns and asks no database."""
    project = rows.project(owner="jane")
    client.force_login(User.objects.get(username="jane"))
    assert client.get(f"/projects/{key}/").status_code == 404
    assert client.get(f"/projects/{key}/report.html").status_code == 404
    for address in (
        f"/projects/{project.pk}/members/%s/hand-over/",
        f"/projects/{project.pk}/members/%s/role/",
        f"/projects/{project.pk}/members/%s/remove/",
        f"/projects/{project.pk}/invitations/%s/withdraw/",
        "/account/sessions/%s/end/",
        "/account/tokens/%s/revoke/",
    ):
        found, expected = [client.post(address % one, {"role": "editor"}).status_code for one in (key, 10**9)]
        assert found == expected, address
        assert found in (302, 404), address
