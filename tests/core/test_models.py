"""Every column of our models says what it means, in which unit, and who writes it."""

import pytest
from django.apps import apps
from django.db import models

#: Apps of this project whose columns are checked. Those of Django and of other packages have their own texts.
APPS = sorted(config.label for config in apps.get_app_configs() if config.name.startswith("apps."))


def inherited_from_elsewhere(model: type[models.Model]) -> set[str]:
    """Return the names of the columns that a model has from another package, such as those of Django's user."""
    return {
        field.name
        for base in model.__mro__
        if issubclass(base, models.Model) and hasattr(base, "_meta") and not base.__module__.startswith("apps.")
        for field in base._meta.local_fields
    }


def own_columns() -> list[models.Field]:
    return [
        field
        for label in APPS
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.concrete_fields
        if not field.auto_created and field.name not in inherited_from_elsewhere(model)
    ]


@pytest.mark.parametrize("field", own_columns(), ids=str)
def test_every_column_says_what_it_means_and_who_writes_it(field: models.Field) -> None:
    text = str(field.help_text)
    assert text[:1].isupper()
    assert text.endswith(".")
    assert "ritten" in text


def test_the_columns_of_all_apps_are_checked() -> None:
    assert {"accounts", "core", "documents", "projects", "tasks"} <= set(APPS)
    assert {str(field) for field in own_columns()} >= {
        "core.StoredFile.name", "documents.Chapter.title", "documents.Document.created_at", "projects.Report.pdf",
        "tasks.TaskStatus.run_at",
    }  # fmt: skip
