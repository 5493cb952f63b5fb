"""The lines of the Procfile, run as a platform runs them."""

import http.client
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import RunningCommand
from tests.waiting import wait_until
from workers.embedded.server import free_port

Start = Callable[..., RunningCommand]
LINES = dict(line.split(": ", 1) for line in (Path(__file__).parents[2] / "Procfile").read_text().splitlines())

pytestmark = [pytest.mark.once, pytest.mark.processes]


@pytest.fixture
def start(command: Start) -> Start:
    """Start a process of the Procfile by its name. Keywords are environment variables."""

    def run(name: str, **variables: str) -> RunningCommand:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return command(argv=("/bin/sh", "-c", LINES[name]), PATH=path, **variables)

    return run


def test_the_procfile_has_the_four_processes() -> None:
    assert list(LINES) == ["release", "web", "worker", "scheduler"]


#: Variables of a public site. An old XML parser is the fault of the machine.
PUBLIC = {
    "SECRET_KEY": "x" * 50 + "abcdef",
    "ALLOWED_HOSTS": "writing.example.com",
    "EXTRA_APPS": "",
    "SILENCED_SYSTEM_CHECKS": "documents.W002",
}


def test_the_release_passes_its_checks_and_migrates(start: Start) -> None:
    release = start("release", **PUBLIC)
    assert release.wait() == 0, release.output
    assert "System check identified no issues" in release.output
    assert "Running migrations" in release.output


def test_the_release_fails_on_a_warning(start: Start) -> None:
    release = start("release", **PUBLIC | {"HTTPS": "no"})
    release.good_ends = {1}
    assert release.wait() == 1, release.output
    assert "(aiwriting.W001) HTTPS is off" in release.output
    assert "Running migrations" not in release.output


def test_honcho_runs_the_whole_procfile_until_a_signal(command: Start) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    port = free_port()
    variables = PUBLIC | {"PATH": path, "WORKER_DRAIN_SECONDS": "1"}
    honcho = command(argv=("honcho", "start", "--port", str(port)), **variables)
    for text in ("worker started", "schedule cron=", "relay started"):
        honcho.wait_for(text)
    # The second process has the second hundred. A release that ended would have ended all.
    wait_until(lambda: status(port + 100) == 200, explain=lambda: honcho.output)
    honcho.wait_for("No migrations to apply")
    assert "sending SIGTERM" not in honcho.output
    honcho.good_ends = {128 + signal.SIGTERM}
    honcho.stop()
    assert "worker stopped" in honcho.output
    assert "sending SIGKILL" not in honcho.output


def test_the_web_answers_and_stops(start: Start) -> None:
    port = free_port()
    web = start("web", PORT=str(port), **PUBLIC)  # The address of the process is not among its hosts.
    web.good_ends = {-signal.SIGTERM}  # Uvicorn shuts down and then passes the signal on.
    wait_until(lambda: status(port) == 200, explain=lambda: web.output)
    web.stop()
    assert "Finished server process" in web.output


def status(port: int) -> int:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        link.request("GET", "/healthz")
        return link.getresponse().status
    except OSError:
        return 0
    finally:
        link.close()


@pytest.mark.parametrize(("name", "text"), [("worker", "worker started"), ("scheduler", "schedule cron=")])
def test_worker_and_scheduler_start_and_stop(start: Start, name: str, text: str) -> None:
    started = start(name)
    started.wait_for(text)
    assert started.stop() == 0, started.output
