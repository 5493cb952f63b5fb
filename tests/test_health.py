"""`/healthz` and `/readyz` of the site. What else they tell is in `tests/workers/test_health.py`."""

import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from django.test import Client

from tests.commands import RunningCommand, environment
from tests.plugin import SERVERS

#: Only root may listen on this port.
CLOSED_PORT = 1


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_alive_asks_neither_database_nor_redis(client: Client) -> None:
    # Without the `db` fixture pytest-django refuses every query.
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_refused(client: Client) -> None:
    assert client.get("/readyz", headers={"Host": "elsewhere.example"}).status_code == 400


@pytest.mark.parametrize("host", ["10.1.2.3:8000", "127.0.0.1:8000", "[fd00::7]:8000"])
def test_a_platform_may_ask_by_the_address_of_the_process(client: Client, settings: Any, host: str) -> None:
    settings.ALLOWED_HOSTS = ["writing.example.com"]

    assert client.get("/healthz", headers={"Host": host}).status_code == 200
    settings.METRICS_TOKEN = "open sesame"
    assert [client.get(path, headers={"Host": host}).status_code for path in ("/metrics", "/scale")] == [401, 401]
    assert client.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "host",
    ["elsewhere.example", "10.1.2.3.example", "[::1", "", "10.1.2.3:x", "jane@10.1.2.3", "[::1]x", "[::1%x.example]"],
)
def test_other_hosts_are_refused_of_health_checks_too(client: Client, settings: Any, host: str) -> None:
    settings.ALLOWED_HOSTS = ["writing.example.com"]

    assert client.get("/healthz", headers={"Host": host}).status_code == 400


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Start the site as a process on that database. Return its URL."""
    running: list[RunningCommand] = []

    def start(database_url: str) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = RunningCommand(
            sys.executable, "-m", "uvicorn", "aiWriting.asgi:application", "--port", str(port),
            env=environment(DATABASE_URL=database_url),
            log=tmp_path / "uvicorn.log",
            watchdog=request.config.stash[SERVERS].watchdog,
        )  # fmt: skip
        running.append(command)
        command.wait_for("Uvicorn running")
        return f"http://127.0.0.1:{port}"

    yield start
    for command in running:
        command.killed = True  # uvicorn ends with the signal that it got.
        command.end()


@pytest.mark.processes
def test_a_site_whose_database_hangs_is_unavailable_within_seconds(
    site: Callable[[str], str], silent_port: int
) -> None:
    url = site(f"postgresql://writer:secret@127.0.0.1:{silent_port}/manuscripts")

    started = time.monotonic()
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(f"{url}/readyz", timeout=60)
    seconds = time.monotonic() - started

    with refused.value as response:
        assert (response.status, response.read()) == (503, b'{"status": "unavailable", "missing": ["database"]}')
    assert seconds < 30
    with urllib.request.urlopen(f"{url}/healthz", timeout=60) as response:
        assert response.read() == b'{"status": "alive"}'


@pytest.mark.processes
@pytest.mark.parametrize(
    "database_url",
    [f"postgresql://writer:secret@127.0.0.1:{CLOSED_PORT}/manuscripts", "sqlite:////nowhere/db.sqlite3"],
    ids=["postgresql", "sqlite"],
)
def test_a_site_without_a_database_is_unavailable(site: Callable[[str], str], database_url: str) -> None:
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(f"{site(database_url)}/readyz", timeout=60)

    with refused.value as response:
        assert (response.status, response.read()) == (503, b'{"status": "unavailable", "missing": ["database"]}')
