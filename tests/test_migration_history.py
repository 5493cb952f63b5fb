"""A database that another version of aiWriting migrated is recognised."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from aiWriting import migration_history

pytestmark = pytest.mark.django_db


def is_ours() -> bool:
    return migration_history.is_ours(connection, MigrationLoader(connection))


def test_the_history_of_this_version_is_ours() -> None:
    assert is_ours()


def test_a_migration_that_this_version_does_not_know_is_not_ours() -> None:
    MigrationRecorder(connection).record_applied("tasks", "9999_later")
    assert not is_ours()


def test_a_migration_without_its_dependency_is_not_ours() -> None:
    MigrationRecorder(connection).record_unapplied("accounts", "0001_initial")
    assert not is_ours()


@pytest.mark.parametrize("app", ["removed", "sessions"])
def test_unknown_migrations_of_other_apps_do_not_matter(app: str) -> None:
    MigrationRecorder(connection).record_applied(app, "9999_later")
    assert is_ours()


def test_an_interrupted_first_migration_is_ours() -> None:
    recorder = MigrationRecorder(connection)
    for app, name in reversed(list(recorder.applied_migrations())):
        if app not in ("contenttypes", "auth", "core"):
            recorder.record_unapplied(app, name)
    assert is_ours()
