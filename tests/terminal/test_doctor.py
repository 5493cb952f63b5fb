"""`manage.py tasks doctor`."""

import json

import pytest
from django.core import checks
from django.db import DatabaseError
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.tasks import health, pauses
from apps.tasks.commands import doctor
from tests import rows
from tests.terminal import end

pytestmark = [pytest.mark.once, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def well(monkeypatch) -> None:
    """Let nothing be wrong but what a test makes wrong."""
    monkeypatch.setattr(health, "servers", {"Redis": lambda: None})
    monkeypatch.setattr(checks, "run_checks", lambda **options: [])
    for kind in ("worker", "relay", "scheduler"):
        rows.worker_process(kind=kind, taken_at=timezone.now())


def test_a_well_system_ends_with_0() -> None:
    code, lines = end("doctor")
    assert code == 0
    assert {line.split()[0] for line in lines} == {"ok"}
    text = "\n".join(lines)
    for part in ("migrations  All are applied.", "Redis takes writes", "0 of 8 threads busy", "Dramatiq "):
        assert part in text


def test_the_trouble_of_the_dashboard_ends_with_1(monkeypatch) -> None:
    monkeypatch.setattr(health, "servers", {"Redis": lambda: ConnectionError("no \x1b[2J")})
    code, lines = end("doctor")
    assert code == 1
    assert [line for line in lines if line.startswith("trouble")] == [
        "trouble  tasks       Redis does not answer (ConnectionError): tasks are recorded and wait. "
        "Start it. Nothing is lost: the relay publishes what waits."
    ]


def test_a_missing_migration_and_a_failed_check_are_trouble(monkeypatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [("tasks.0099_later", False)])
    failed = [checks.Error("It is wrong.", hint="Mend it.", id="x.E001"), checks.Warning("It is odd.", id="x.W001")]
    monkeypatch.setattr(checks, "run_checks", lambda **options: failed)
    code, lines = end("doctor", "--json")
    found = [json.loads(line) for line in lines]
    assert code == 1
    assert [(one["level"], one["text"], one["remedy"]) for one in found if one["level"] != "ok"] == [
        ("trouble", "1 migrations are missing: tasks.0099_later.", "Run manage.py migrate."),
        ("trouble", "x.E001 It is wrong.", "Mend it."),
        ("warning", "x.W001 It is odd.", ""),
    ]


def test_a_pause_is_told_with_who_and_why() -> None:
    pauses.pause("queue", "documents", by="jane", why="the disk is full")
    code, lines = end("doctor")
    assert code == 1
    (line,) = [line for line in lines if line.startswith("trouble")]
    for part in ("The queue documents", "jane", "the disk is full", "Its tasks wait until it is resumed."):
        assert part in line


def test_a_database_that_is_away_is_the_only_finding(monkeypatch) -> None:
    def away() -> None:
        raise DatabaseError("connection\nrefused")

    monkeypatch.setattr(doctor, "database", away)
    code, lines = end("doctor")
    assert code == 1
    assert lines == [
        "trouble  database    The database cannot be used: connection refused Mend it. All else goes on by itself then."
    ]
