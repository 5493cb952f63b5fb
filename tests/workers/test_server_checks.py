"""System checks that ask Redis and PostgreSQL, and of secrets that everyone knows."""

import io
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import NotSupportedError, OperationalError, connection, connections

from tests.servers import UNPRIVILEGED, private_directory
from tests.waiting import wait_until
from workers.checks import servers

SECRET = "hunter2-of-the-servers"


def ids(messages) -> list[str]:
    return [message.id for message in messages]


# --- Secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["changeme", "Change-Me!", "secret", "password", "x", "your_secret_key", "123456"])
def test_a_secret_of_an_example_is_a_risk_and_is_not_shown(settings, value) -> None:
    settings.HEALTH_TOKEN = value
    (message,) = servers.check_secrets()
    assert (message.id, message.msg) == ("tasks.W018", "Known from examples: HEALTH_TOKEN.")
    assert "token_urlsafe" in str(message.hint)


@pytest.mark.parametrize("value", ["", None, SECRET, 12345, "change me when you have read all of this"])
def test_no_secret_and_one_of_your_own_are_no_risk(settings, value) -> None:
    settings.HEALTH_TOKEN = value
    assert servers.check_secrets() == []


def test_passwords_of_the_servers_are_secrets_too(settings, broker, monkeypatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "postgres")
    monkeypatch.setitem(broker.wire.workers.connection_pool.connection_kwargs, "password", "redis")
    (message,) = servers.check_secrets()
    assert message.msg == "Known from examples: the password of Redis, the password of the database 'default'."


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [("DEBUG", True, "security.W018"), ("SECRET_KEY", "django-insecure-" + "abcde" * 9, "security.W009")],
)
def test_django_itself_warns_of_debug_and_of_a_short_key(settings, name, value, number) -> None:
    setattr(settings, name, value)
    assert number in ids(run_checks(include_deployment_checks=True))


# --- Redis -----------------------------------------------------------------------------------------


@pytest.fixture
def answering(broker, monkeypatch):
    """Let Redis answer INFO with other figures."""

    def answer(**changes):
        told = {**broker.wire.workers.info(), **changes}
        for name in [name for name, value in changes.items() if value is None]:
            del told[name]
        monkeypatch.setattr(broker.wire.workers, "info", lambda: told)

    return answer


@pytest.mark.redis
def test_the_redis_of_the_tests_passes(broker) -> None:
    assert servers.check_redis_server() == []


@pytest.mark.redis
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_redis_that_evicts_is_a_risk(redis_client, policy) -> None:
    before = redis_client.config_get("maxmemory-policy")
    redis_client.config_set("maxmemory-policy", policy)
    try:
        (message,) = servers.check_redis_server()
    finally:
        redis_client.config_set(*next(iter(before.items())))
    assert message.id == "tasks.W022"
    assert policy in message.msg
    assert "noeviction" in str(message.hint)


@pytest.mark.parametrize(("saves", "is_risky"), [("", True), ("3600 1", False)])
def test_a_redis_that_writes_to_no_disk_is_a_risk(answering, broker, monkeypatch, saves, is_risky) -> None:
    answering(aof_enabled=0)
    monkeypatch.setattr(broker.wire.workers, "config_get", lambda name: {b"save": saves.encode()})
    assert ids(servers.check_redis_server()) == (["tasks.I021"] if is_risky else [])


def test_a_redis_that_hides_its_settings_is_not_blamed(answering, broker, monkeypatch) -> None:
    def refuse(name):
        raise redis.exceptions.NoPermissionError("this user has no permissions to run the 'config|get' command")

    answering(aof_enabled=0)
    monkeypatch.setattr(broker.wire.workers, "config_get", refuse)
    assert servers.check_redis_server() == []


@pytest.mark.parametrize(
    ("version", "is_old"), [("5.0.14", True), ("6.0.20", True), ("6.2.0", False), ("7.4.1", False), ("", False)]
)
def test_an_old_redis_is_a_risk(answering, version, is_old) -> None:
    answering(redis_version=version, valkey_version=None)
    assert ids(servers.check_redis_server()) == (["tasks.W020"] if is_old else [])


def test_a_redis_that_is_away_is_one_warning_without_its_address(broker, monkeypatch) -> None:
    def fail():
        raise redis.AuthenticationError(f"redis://worker:{SECRET}@cache.example.com:6379/0")

    monkeypatch.setattr(broker.wire.workers, "info", fail)
    (message,) = servers.check_redis_server()
    assert (message.id, message.msg) == ("tasks.W019", "Redis was not checked: AuthenticationError.")
    assert SECRET not in str(message)


# --- Databases -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_servers_are_asked_only_where_django_asks_for_it(broker, monkeypatch) -> None:
    def asked(*args: object, **kwargs: object) -> None:
        raise AssertionError("a server was asked")

    monkeypatch.setattr(broker.wire.workers, "info", asked)
    monkeypatch.setattr(connection, "ensure_connection", asked)
    monkeypatch.setattr(connection, "cursor", asked)
    run_checks()
    assert servers.check_postgresql_server() == servers.check_postgresql_server(databases=["archive"]) == []


@pytest.mark.django_db
def test_the_database_of_the_tests_passes() -> None:
    assert servers.check_postgresql_server(databases=["default"]) == []


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OperationalError(f"connection to db.example.com as worker with {SECRET} failed"), "tasks.W023"),
        (NotSupportedError("PostgreSQL 14 or later is required (found 13.2)."), "tasks.W024"),
    ],
)
def test_a_database_that_is_away_or_old_is_one_warning_without_its_address(monkeypatch, error, number) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(connections["default"], "ensure_connection", fail)
    (message,) = servers.check_postgresql_server(databases=["default"])
    assert message.id == number
    assert SECRET not in str(message)
    assert "db.example.com" not in str(message)


# --- PgBouncer -------------------------------------------------------------------------------------


@pytest.fixture
def bouncer() -> Iterator[Any]:
    """Return a function that starts a PgBouncer in a mode, and returns the settings of a database behind it."""
    program = shutil.which("pgbouncer")
    if connection.vendor != "postgresql" or program is None:
        pytest.skip("needs PostgreSQL and PgBouncer")
    started: list[subprocess.Popen[bytes]] = []
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    directory = private_directory(Path(tempfile.gettempdir()), user=user)

    def start(mode: str) -> dict[str, Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        given = connection.settings_dict
        connection.ensure_connection()
        info = connection.connection.info
        server = {"host": info.host, "port": info.port, "user": info.user, "password": info.password}
        (directory / "bouncer.ini").write_text(
            f"[databases]\n* = {' '.join(f'{name}={value}' for name, value in server.items() if value)}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = {mode}\nignore_startup_parameters = extra_float_digits,options\n"
        )
        started.append(
            subprocess.Popen([program, str(directory / "bouncer.ini")], user=user, stderr=subprocess.DEVNULL)
        )
        wait_until(lambda: _answers(port, given["NAME"]))
        options = {name: value for name, value in given["OPTIONS"].items() if name not in ("host", "port")}
        return {**given, "HOST": "127.0.0.1", "PORT": port, "OPTIONS": options}

    yield start
    for process in started:
        process.terminate()
        process.wait(60)
    shutil.rmtree(directory)


def _answers(port: int, name: str) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, dbname=name, user="any", connect_timeout=5).close()
    except psycopg.OperationalError:
        time.sleep(0.01)
        return False
    return True


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("mode", "is_risky"), [("transaction", True), ("session", False)])
def test_a_pooler_of_transactions_is_known_by_its_sessions(bouncer, settings, monkeypatch, mode, is_risky) -> None:
    behind = bouncer(mode)
    pooled = connection.copy()
    pooled.settings_dict = behind
    monkeypatch.setattr(servers, "connection", pooled)
    try:
        messages = servers.check_postgresql_server(databases=["default"])
        assert ids(messages) == (["tasks.W025"] if is_risky else [])
        assert all("DATABASE_PREPARED_STATEMENTS to no" in str(message.hint) for message in messages)
        settings.DATABASE_PREPARED_STATEMENTS = False
        monkeypatch.setitem(behind, "DISABLE_SERVER_SIDE_CURSORS", True)
        assert servers.check_postgresql_server(databases=["default"]) == []
    finally:
        pooled.close()


# --- The command -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_number_can_be_silenced(settings) -> None:
    settings.HEALTH_TOKEN = "changeme"
    for silenced in ([], ["tasks.W018"]):
        settings.SILENCED_SYSTEM_CHECKS = silenced
        told = io.StringIO()
        try:
            call_command("check", deploy=True, tags=["tasks"], stderr=told, stdout=told)
        except SystemCheckError as error:
            told.write(str(error))
        assert ("tasks.W018" in told.getvalue()) == (not silenced)
