"""System checks of declarations and settings."""

import math
import re
import sysconfig
from contextlib import contextmanager
from datetime import timedelta

import dramatiq
import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, connections
from django.utils import timezone
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Retries
from periodiq import cron

import workers
from apps.core.connections import POSTGRESQL_OPTIONS
from apps.tasks.models.worker import WorkerProcessQuerySet
from apps.tasks.schedules import allowed
from tests import rows
from workers import checks
from workers.apps import WorkersConfig
from workers.checks import declarations
from workers.middleware.ending import Ending
from workers.middleware.lifecycle import Lifecycle
from workers.middleware.progress import Progress


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
    assert checks.check_callbacks() == checks.check_permissions() == []


def test_the_projects_own_settings_are_right() -> None:
    assert checks.check_broker() == checks.check_vendor() == checks.check_time_zone() == []
    assert checks.check_sqlite() == checks.check_order() == []


def test_an_actor_without_the_prefix_of_its_app_is_an_error_that_suggests_the_name(declared) -> None:
    with declared(actor_name="process"):
        (message,) = checks.check_names()
    assert message.id == "tasks.E001"
    assert message.hint == "Declare it with actor_name='documents.nothing'."


def test_the_actor_of_an_installed_package_keeps_its_name_and_its_options(declared, monkeypatch) -> None:
    with declared(actor_name="process"):
        monkeypatch.setattr(sysconfig, "get_path", lambda name: str(settings.BASE_DIR))
        assert checks.check_names() == declarations.check_retries() == []


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
    expected = ["tasks.W001"] if connection.vendor == "sqlite" else []
    assert sorted(set(ids(checks.check_transactional()))) == expected


def test_workers_are_not_called_stalled_between_two_heartbeats(settings) -> None:
    assert checks.check_stalls() == []
    settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS, settings.WORKER_STALL_SECONDS = 10, 9
    assert ids(checks.check_stalls()) == ["tasks.W010"]
    settings.WORKER_STALL_SECONDS = 10
    assert checks.check_stalls() == []


def test_a_second_database_is_a_risk(settings, monkeypatch) -> None:
    assert checks.check_databases() == []
    monkeypatch.setitem(settings.DATABASES, "archive", settings.DATABASES["default"])
    (message,) = checks.check_databases()
    assert "archive" in message.msg


def test_another_broker_is_refused_before_an_actor_is_declared(monkeypatch, settings) -> None:
    monkeypatch.setattr(dramatiq, "get_broker", StubBroker)
    with pytest.raises(ImproperlyConfigured, match=r"\(tasks.E004\) Dramatiq's broker is a StubBroker"):
        WorkersConfig("workers", workers)
    # For a project whose own tests want a stub.
    settings.SILENCED_SYSTEM_CHECKS = ["tasks.E004"]
    WorkersConfig("workers", workers)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TASK_KEEP_COMPLETED_DAYS", -1, "is -1, must be a number, from 0 to 3,650."),
        ("TASK_KEEP_FAILED_DAYS", "7", "is '7', must be a number, from 0 to 3,650."),
        ("TASK_RESULT_EXPIRES_DAYS", 10**9, "is 1000000000, must be a number, from 0 to 3,650."),
        ("TASK_KEEP_CANCELLED_DAYS", None, "is None, must be a number, from 0 to 3,650."),
        ("WORKER_STALL_SECONDS", "60", "is '60', must be a number, 0 or more."),
        ("WORKER_MAX_TASKS", True, "is True, must be a number, 0 or more."),
        ("TASK_MAX_CRASHES", math.nan, "is nan, must be a number, 0 or more."),
    ],
)
def test_a_setting_that_is_no_number_is_refused_at_the_start(settings, name, value, sentence) -> None:
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=re.escape(f"(tasks.E009) {name} {sentence}")):
        WorkersConfig("workers", workers)


@pytest.mark.parametrize("value", [0, 0.5, 3_650])
def test_days_may_be_parts_of_one(settings, value) -> None:
    settings.TASK_KEEP_COMPLETED_DAYS = value
    assert checks.check_numbers() == []


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([], "Lifecycle, Progress, Ending are missing"),
        ([Lifecycle(), Progress(), Retries()], "Ending is missing"),
        ([Lifecycle(), Retries(), Progress(), Ending()], "Retries must come after Progress and before Ending"),
        ([Lifecycle(), Progress(), Ending(), Retries()], "Retries must come after Progress and before Ending"),
    ],
)
def test_middleware_that_cannot_track_tasks_is_refused(broker, monkeypatch, middleware, expected) -> None:
    monkeypatch.setattr(broker, "middleware", middleware)
    (message,) = checks.check_broker()
    assert (message.id, message.msg) == ("tasks.E005", f"The broker's middleware cannot track tasks: {expected}.")


def test_a_database_without_statements_is_refused_with_the_known_ones(monkeypatch) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    (message,) = checks.check_vendor()
    assert (message.id, message.msg) == (
        "tasks.E006",
        "The database 'default' is mysql, must be one of: postgresql, sqlite.",
    )


def test_tasks_that_run_in_requests_are_a_risk(settings) -> None:
    assert checks.check_eager() == []
    settings.TASK_EAGER = True
    (found,) = checks.check_eager()
    assert found.id == "tasks.W026"


def test_times_without_a_zone_are_refused(settings) -> None:
    settings.USE_TZ = False
    assert ids(checks.check_time_zone()) == ["tasks.E007"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, ["tasks.W003"]), ({"transaction_mode": "deferred"}, ["tasks.W003"]), ({"transaction_mode": "EXCLUSIVE"}, [])],
)
def test_a_sqlite_that_locks_half_way_is_a_risk(monkeypatch, options, expected) -> None:
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    assert ids(checks.check_sqlite()) == expected


@pytest.mark.parametrize(
    ("host", "options", "missing"),
    [
        ("db.example.com", {}, "connect_timeout, tcp_user_timeout, keepalives_idle"),
        ("db.example.com", {**POSTGRESQL_OPTIONS}, ""),
        ("db.example.com", {"connect_timeout": 3, "keepalives_idle": 9}, "tcp_user_timeout"),
        ("/run/postgresql", {}, ""),
        ("", {}, ""),
        ("", {"host": "db.example.com", "tcp_user_timeout": 1}, "connect_timeout, keepalives_idle"),
    ],
)
def test_a_postgresql_without_time_limits_is_a_risk(monkeypatch, host, options, missing) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    monkeypatch.setitem(connection.settings_dict, "HOST", host)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    found = checks.check_time_limits()
    assert ids(found) == (["tasks.W005"] if missing else [])
    assert all(f"have no {missing}:" in message.msg for message in found)


def test_too_many_connections_are_a_risk(db, settings) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no limit")
    assert checks.check_connections() == []
    settings.WORKER_PROCESSES = 100
    (message,) = checks.check_connections()
    assert message.id == "tasks.W006"
    assert message.msg.startswith(f"The workers of one host need up to {100 * (8 + 5 + len(queues())) + 6} connect")


def test_the_children_of_isolated_tasks_have_connections_of_their_own(db, settings, actors) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no limit")
    settings.WORKER_PROCESSES, settings.WORKER_ISOLATED = 100, 3
    (message,) = checks.check_connections()
    assert message.msg.startswith(f"The workers of one host need up to {100 * (8 + 3 + 5 + len(queues())) + 6} connect")


def queues() -> set[str]:
    return dramatiq.get_broker().get_declared_queues()


def test_the_connections_behind_a_pooler_are_not_counted(monkeypatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    assert checks.check_connections() == []


def test_apps_in_another_order_are_a_risk(monkeypatch) -> None:
    first, *others, last = apps.get_app_configs()
    monkeypatch.setattr(apps, "get_app_configs", lambda: [*others, last, first])
    assert [message.msg for message in checks.check_order()] == [
        f"'django_dramatiq' is not the first of INSTALLED_APPS, {others[0].name!r} is.",
        "'workers' is not the last of INSTALLED_APPS, 'django_dramatiq' is.",
    ]


@pytest.mark.django_db
def test_a_queue_that_no_living_worker_takes_is_a_warning_of_the_check_of_the_database() -> None:
    def found() -> list[str]:
        return [message.msg for message in run_checks(tags=[Tags.database], databases=["default"])]

    later = timezone.now() + timedelta(minutes=1)
    everything = ", ".join(sorted(queues()))
    assert found() == [f"No living worker takes from: {everything}."]
    rows.worker_process("relay", kind="relay", beat_at=later)
    rows.worker_process("silent", beat_at=later - timedelta(hours=1))
    assert found() == [f"No living worker takes from: {everything}."]
    rows.worker_process("some", queues=sorted(queues() - {"documents"}), beat_at=later)
    (message,) = checks.check_workers(databases=["default"])
    assert (message.id, message.msg) == ("tasks.W007", "No living worker takes from: documents.")
    assert "runworker --queues documents" in str(message.hint)
    assert checks.check_workers() == checks.check_workers(databases=["archive"]) == []
    rows.worker_process("all", beat_at=later)
    assert found() == []


@pytest.mark.django_db
def test_queues_are_not_checked_before_the_first_migration(monkeypatch) -> None:
    def absent(*args: object) -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(WorkerProcessQuerySet, "beating", absent)
    assert checks.check_workers(databases=["default"]) == []


@pytest.mark.parametrize("option", ["on_success", "on_failure", "on_retry_exhausted"])
def test_a_callback_that_names_no_actor_is_a_warning_with_the_close_one(declared, option) -> None:
    with declared(actor_name="documents.nothing", **{option: "documents.clean_expired_document"}):
        (message,) = checks.check_callbacks()
    assert message.id == "tasks.W008"
    assert f"{option}='documents.clean_expired_document'" in message.msg
    assert "did you mean 'documents.clean_expired_documents'?" in message.msg


@pytest.mark.parametrize("permission", ["projects.chnage_project", "unknown.change_project"])
def test_a_permission_that_no_model_has_is_a_warning(declared, monkeypatch, permission) -> None:
    with declared(actor_name="documents.nothing") as actor:
        monkeypatch.setattr(allowed, "offers", {})
        allowed.schedulable(actor, permission=permission)
        (message,) = checks.check_permissions()
    assert message.id == "tasks.W009"
    assert permission in message.msg
    assert "did you mean 'projects.change_project'?" in message.msg
