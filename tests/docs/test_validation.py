"""The rules of validation on docs/security.md are those of the forms."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms as django_forms

from aiWriting.environment import BASE_DIR
from apps.pages import account_forms, forms
from tests.docs.pages import rows

pytestmark = pytest.mark.once


def rule(field: Any) -> str:
    """Return the rule of a field in words."""
    longest = getattr(field, "max_length", None)
    choices: Any = getattr(field, "choices", ())
    match field:
        case django_forms.ChoiceField():
            told = "one of: " + ", ".join(value for value, _ in choices)
        case django_forms.IntegerField():
            told = "whole number"
            told += f", at least {field.min_value}" if field.min_value is not None else ""
            told += f", at most {field.max_value}" if field.max_value is not None else ""
        case django_forms.EmailField():
            told = f"email address of at most {longest} characters"
        case forms.FilesField():
            told = "one file or more"
        case _:
            told = f"text of at most {longest} characters" if longest else "text"
    return told if field.required else f"{told}, or empty"


def found() -> Iterator[tuple[str, str]]:
    """Yield each field of a form of the pages, and its rule."""
    for module in (account_forms, forms):
        for name, form in inspect.getmembers(module, inspect.isclass):
            if issubclass(form, django_forms.Form) and form.__module__ == module.__name__:
                for field, value in form.base_fields.items():
                    yield f"`{name}.{field}`", rule(value)


def test_the_rules_of_validation_are_those_of_the_forms() -> None:
    documented = {
        field: row[1] for row in rows(BASE_DIR / "docs" / "security.md", header="field") for field in row[0].split(", ")
    }
    assert documented == dict(found())
