"""aiWriting on one machine, as its user meets it: start, work, stop, start again, and errors."""

import contextlib
import http.client
import json
import re
import signal
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.commands import RunningCommand, is_gone
from tests.plugin import SERVERS
from tests.waiting import wait_until

Standalone = Callable[..., RunningCommand]
Rows = Callable[[], list[dict[str, Any]]]

START_SECONDS = 120
UP = "aiWriting runs; Ctrl-C stops it."
SLEEPING_TASKS = """
import time
import dramatiq

@dramatiq.actor(actor_name="sleeping.sleep")
def sleep():
    for _ in range(12_000):
        time.sleep(0.05)
"""

pytestmark = pytest.mark.processes


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Return the status and the JSON of an answer."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        data = None if body is None else json.dumps(body)
        link.request(method, path, data, {"Content-Type": "application/json"} | headers)
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


def interrupt(started: RunningCommand) -> None:
    """Send Ctrl-C and wait for the end. The exit code must be 0, and no process may be left."""
    started.send_signal(signal.SIGINT)
    assert started.wait() == 0, started.output
    assert started.seen
    assert all(is_gone(pid) for pid in started.seen)
    assert "Traceback" not in started.output


def test_a_run_starts_works_stops_and_starts_again(
    standalone: Standalone, port: int, var: Path, database: str, rows: Rows
) -> None:
    first = standalone()
    first.wait_for(UP, timeout=START_SECONDS)
    assert ask(port, "GET", "/healthz") == (200, {"status": "alive"})
    first.wait_for("sample    | 100 %  ", timeout=START_SECONDS)
    wait_until(lambda: rows()[0]["status"] != "processing", explain=lambda: first.output)
    [sample] = rows()
    assert (sample["task_name"], sample["status"]) == ("documents.process_document", "completed")

    [password] = re.findall(r"Password  (\S+)   \(shown only now\)", first.output)
    status, answer = ask(port, "POST", "/api/token/", {"username": "writer", "password": password})
    assert status == 200
    status, answer = ask(port, "GET", "/api/documents/", Authorization=f"Token {answer['token']}")
    assert status == 200
    assert [document["title"] for document in answer["results"]] == ["Pride and Prejudice"]

    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    for name in ("secret-key", "redis-url", "valkey/password", *([] if database else ["db.sqlite3"])):
        assert stat.S_IMODE((var / name).stat().st_mode) == 0o600, name
    secrets = [(var / name).read_text() for name in ("secret-key", "redis-url", "valkey/password")]
    shown = [" ".join(process.cmdline()) for process in first.descendants()]
    assert not [secret for secret in [*secrets, password] if any(secret in line for line in shown)]

    second = standalone(PORT=str(port + 1))
    assert second.wait() == 1
    assert f"aiWriting runs already with {var} (process {first.pid})" in second.output
    assert len(second.output.splitlines()) == 1

    interrupt(first)
    assert not (var / "redis-url").exists()

    again = standalone()
    again.wait_for(UP, timeout=START_SECONDS)
    assert ask(port, "GET", "/healthz")[0] == 200
    assert "Password" not in again.output
    assert "manage.py changepassword writer" in again.output
    assert len(rows()) == 1
    interrupt(again)


@pytest.mark.once
def test_a_long_task_does_not_delay_the_end_and_runs_again_later(
    standalone: Standalone, tmp_path: Path, rows: Rows
) -> None:
    app = tmp_path / "sleeping"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "tasks.py").write_text(SLEEPING_TASKS)
    (app / "management" / "commands").mkdir(parents=True)
    (app / "management" / "commands" / "send_sleep.py").write_text(
        "from django.core.management.base import BaseCommand\n"
        "from sleeping.tasks import sleep\n"
        "class Command(BaseCommand):\n"
        "    def handle(self, *args, **options):\n"
        "        sleep.send()\n"
    )
    started = standalone(EXTRA_APPS="sleeping", PYTHONPATH=str(tmp_path), WORKER_DRAIN_SECONDS="1")
    started.wait_for(UP, timeout=START_SECONDS)
    command = next(process for process in started.descendants() if "runworker" in command_line(process))
    subprocess.run(
        [command.cmdline()[0], "manage.py", "send_sleep"], env=command.environ(), cwd=command.cwd(), check=True
    )
    wait_until(lambda: rows()[-1]["status"] == "processing", explain=lambda: started.output)
    interrupt(started)
    row = rows()[-1]
    assert (row["task_name"], row["status"], row["attempt"]) == ("sleeping.sleep", "pending", 1)
    assert (row["retries"], row["crashes"]) == (0, 0)


@pytest.mark.once
def test_nothing_survives_a_kill_and_the_next_start_works(standalone: Standalone, port: int, var: Path) -> None:
    killed = standalone()
    killed.wait_for(UP, timeout=START_SECONDS)
    killed.wait_for("sample    | 100 %  ", timeout=START_SECONDS)
    killed.kill()
    assert "valkey-server" in [process.name() for process in killed.seen.values() if process.is_running()]
    # Started at once. The new run waits until the last process of the killed run is gone.
    again = standalone()
    again.wait_for(UP, timeout=START_SECONDS)
    assert all(is_gone(pid) for pid in killed.seen)
    interrupt(again)


@pytest.mark.once
def test_a_process_that_dies_is_replaced(standalone: Standalone, port: int, var: Path) -> None:
    started = standalone()
    started.wait_for(UP, timeout=START_SECONDS)

    def processes(needle: str) -> list[psutil.Process]:
        return [process for process in started.descendants() if needle in " ".join(command_line(process))]

    for needle in ("uvicorn", "valkey-server"):
        [victim] = processes(needle)
        victim.kill()
        wait_until(partial(has_another, partial(processes, needle), victim))
    wait_until(lambda: answers(port))
    assert "web       | was ended by SIGKILL" in started.output
    assert "valkey    | was ended by SIGKILL" in started.output
    interrupt(started)


def has_another(processes: Callable[[], list[psutil.Process]], old: psutil.Process) -> bool:
    return any(process.pid != old.pid for process in processes())


def command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/healthz")[0] == 200
    except OSError:
        return False


@pytest.mark.once
def test_a_signal_during_the_start_ends_it_without_a_traceback(standalone: Standalone, var: Path) -> None:
    started = standalone()
    wait_until(lambda: (var / "redis-url").exists(), timeout=START_SECONDS)
    started.send_signal(signal.SIGINT)
    started.send_signal(signal.SIGINT)
    assert started.wait() in (0, 130)
    assert all(is_gone(pid) for pid in started.seen)
    assert "Traceback" not in started.output


@pytest.mark.once
def test_a_taken_port_is_refused_in_one_line(standalone: Standalone, port: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        started = standalone()
        assert started.wait() == 1
    assert started.output == (
        f"bin/run: port {port} cannot be had on 127.0.0.1: Address already in use; "
        f"choose another with PORT={port + 1} bin/run\n"
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DATABASE_URL", "mysql://me:hushhush@host/db", "DATABASE_URL must begin with one of:"),
        ("DATABASE_URL", "postgres://me:hushhush@127.0.0.1:1/db", "DATABASE_URL: .*Connection refused"),
        ("DATABASE_URL", "postgres://me:hushhush@no.such.host.invalid/db", "DATABASE_URL: .*no.such.host.invalid"),
        ("DATABASE_URL", "postgres://me:hush/hush@host/db", "DATABASE_URL cannot be read as a URL"),
        ("DATABASE_URL", "sqlite:////no/such/directory/db", "DATABASE_URL: unable to open database file"),
        ("REDIS_URL", "http://:hushhush@host", "REDIS_URL must begin with one of: redis://"),
        ("REDIS_URL", "redis://:hushhush@127.0.0.1:1/0", "REDIS_URL: .*127.0.0.1:1.*refused"),
        ("REDIS_URL", "redis://:hushhush@no.such.host.invalid/0", "REDIS_URL: .*no.such.host.invalid"),
        ("REDIS_URL", "redis://:hush/hush@127.0.0.1/0", "REDIS_URL cannot be read as a URL"),
        ("WORKER_PROCESSES", "many", "WORKER_PROCESSES is 'many', must be a whole number, 1 to 256"),
        ("WORKER_THREADS", "0", "WORKER_THREADS is 0, must be 1 to 256"),
        ("PORT", "http", "PORT is 'http', must be a whole number, 1 to 65535"),
    ],
)
def test_a_wrong_variable_is_refused_in_one_line(standalone: Standalone, name: str, value: str, message: str) -> None:
    started = standalone(**{name: value})
    assert started.wait() == 1
    assert re.search(rf"\Abin/run: {message}", started.output), started.output
    assert len(started.output.splitlines()) == 1
    assert "hush" not in started.output


#: Some of the migrations of the database of an older checkout: its user model was in `core`.
OLDER_MIGRATIONS = [
    ("contenttypes", "0001_initial"), ("auth", "0001_initial"), ("core", "0001_initial"), ("admin", "0001_initial"),
    ("core", "0002_stored_files"), ("projects", "0001_initial"), ("documents", "0001_initial"),
    ("documents", "0002_files"), ("tasks", "0001_initial"), ("tasks", "0003_schedules"),
]  # fmt: skip
MIGRATIONS_TABLE = """
CREATE TABLE django_migrations (
    id integer PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied {timestamp} NOT NULL
)
"""


def test_the_database_of_an_older_checkout_is_refused_with_what_to_delete(
    standalone: Standalone, var: Path, database: str
) -> None:
    rows = [(number, app, name, datetime.now(UTC)) for number, (app, name) in enumerate(OLDER_MIGRATIONS)]
    if database:
        with psycopg.connect(database) as link, link.cursor() as cursor:
            cursor.execute(MIGRATIONS_TABLE.format(timestamp="timestamptz"))
            cursor.executemany("INSERT INTO django_migrations VALUES (%s, %s, %s, %s)", rows)
    else:
        var.mkdir()
        with contextlib.closing(sqlite3.connect(var / "db.sqlite3")) as connection, connection:
            connection.execute(MIGRATIONS_TABLE.format(timestamp="datetime"))
            texts = [(*row, str(applied)) for *row, applied in rows]
            connection.executemany("INSERT INTO django_migrations VALUES (?, ?, ?, ?)", texts)

    started = standalone()
    assert started.wait() == 1
    place = "the database of DATABASE_URL" if database else var
    assert started.output == (
        "bin/run: the database was made by another version of aiWriting and cannot be used; "
        f"delete {place} to start anew\n"
    )


@pytest.mark.once
def test_a_wrong_redis_password_is_refused_in_one_line(standalone: Standalone, request: pytest.FixtureRequest) -> None:
    server = request.config.stash[SERVERS].redis
    if server is None:
        pytest.skip("the session did not start its Redis")
    started = standalone(REDIS_URL=f"redis://:hushhush@127.0.0.1:{server.port}/0")
    assert started.wait() == 1
    assert re.search(r"\Abin/run: REDIS_URL: .*password", started.output), started.output
    assert len(started.output.splitlines()) == 1
    assert "hush" not in started.output
