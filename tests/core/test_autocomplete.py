"""Forms of the admin with fields that look their rows up."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User

pytestmark = pytest.mark.django_db

admin.autodiscover()
#: Add pages by the field that looks rows up.
FIELDS = [
    (reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_add"), field)
    for model, model_admin in admin.site._registry.items()
    for field in model_admin.autocomplete_fields
]


def test_the_fields_are_found() -> None:
    assert "project" in {field for _, field in FIELDS}


@pytest.mark.parametrize(("page", "field"), FIELDS)
@pytest.mark.parametrize("key", ["a\0b", "9" * 40])
def test_a_malformed_key_is_an_error_of_the_form(client: Client, page: str, field: str, key: str) -> None:
    client.force_login(User.objects.create_superuser("root"))
    response: Any = client.post(page, {field: key})
    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors
