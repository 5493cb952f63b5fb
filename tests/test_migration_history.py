"""A database that another version of aiWriting migrated is recognised."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import AddIndex
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


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite locks the whole file")
@pytest.mark.django_db(transaction=True)
def test_indexes_of_the_figures_are_made_while_tasks_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("0010", "0011"):
        call_command("sqlmigrate", "tasks", name)
    made = [line for line in capsys.readouterr().out.splitlines() if line.startswith("CREATE INDEX")]
    assert len(made) == 2
    assert all(line.startswith("CREATE INDEX CONCURRENTLY") for line in made)


def test_no_lock_of_all_tasks_is_held_while_an_index_is_made() -> None:
    found = MigrationLoader(None).disk_migrations
    for key in (("tasks", "0010_tallies"), ("tasks", "0011_indexes_of_figures")):
        made = [one for one in found[key].operations if isinstance(one, AddIndex)]
        assert not (made and found[key].atomic), key
