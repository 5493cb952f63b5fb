"""System checks of declarations."""

from contextlib import contextmanager

import dramatiq
import pytest
from periodiq import cron

from workers import checks


@pytest.fixture
def declared(broker):
    """Declare an actor while a block runs."""

    @contextmanager
    def declare(fn=None, **options):
        def nothing() -> None:
            return None

        nothing.__module__ = "apps.documents.tasks"
        actor = dramatiq.actor(fn or nothing, **options)
        try:
            yield actor
        finally:
            del broker.actors[actor.actor_name]

    return declare


def ids(messages) -> list[str]:
    return [message.id for message in messages]


def test_the_actors_of_this_project_pass_every_check() -> None:
    assert checks.check_names() == checks.check_related() == checks.check_schedules() == []


def test_an_actor_without_the_prefix_of_its_app_is_an_error_that_suggests_the_name(declared) -> None:
    with declared(actor_name="process"):
        (message,) = checks.check_names()
    assert message.id == "tasks.E001"
    assert message.hint == "Declare it with actor_name='documents.nothing'."


def test_an_unknown_related_model_is_an_error_that_lists_the_known_ones(declared) -> None:
    with declared(actor_name="documents.odd", related_to="documents.Dokument"):
        (message,) = checks.check_related()
    assert message.id == "tasks.E002"
    assert "documents.Document" in str(message.hint)


def test_a_periodic_actor_that_lacks_an_argument_is_refused(declared) -> None:
    def needs(argument: str) -> None:
        return None

    with declared(needs, actor_name="documents.odd", periodic=cron("0 3 * * *")):
        (message,) = checks.check_schedules()
    assert message.id == "tasks.E003"
    assert "argument" in message.msg


def test_a_transactional_actor_is_a_risk_on_sqlite_alone(db, settings) -> None:
    from django.db import connection

    expected = ["tasks.W001"] if connection.vendor == "sqlite" else []
    assert sorted(set(ids(checks.check_transactional()))) == expected


def test_a_second_database_is_a_risk(settings, monkeypatch) -> None:
    assert checks.check_databases() == []
    monkeypatch.setitem(settings.DATABASES, "archive", settings.DATABASES["default"])
    (message,) = checks.check_databases()
    assert "archive" in message.msg
