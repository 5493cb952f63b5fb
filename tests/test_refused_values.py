"""Numbers in addresses and forms that no column holds."""

import pytest
from django.test import Client

from apps.accounts.models import Allowance
from apps.projects.models import Membership, Project

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
