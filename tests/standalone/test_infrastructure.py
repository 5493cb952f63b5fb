"""The promises of the tests' own servers and commands."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from tests.commands import RunningCommand, is_gone
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.mark.processes
def test_a_command_works_on_the_test_s_own_database(command: Callable[..., RunningCommand]) -> None:
    get_user_model().objects.create_user("jane", is_superuser=True)
    count = (
        "from django.contrib.auth import get_user_model as u; print('users', [v.username for v in u().objects.all()])"
    )
    started = command("shell", "-c", count)
    assert started.wait() == 0
    assert "users ['jane']" in started.output


@pytest.mark.django_db
def test_the_chosen_database_is_the_one_in_use(request: pytest.FixtureRequest) -> None:
    assert connection.vendor == request.config.getoption("--database")
    assert "test" in str(connection.settings_dict["NAME"])


@pytest.mark.processes
def test_a_killed_session_leaves_no_server(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    # Marked `processes`, so that it runs on both databases.
    test = "import time, pytest\n\n@pytest.mark.processes\ndef test_waits():\n    time.sleep(600)\n"
    (tmp_path / "test_waits.py").write_text(test)
    database = request.config.getoption("--database")
    arguments = ["-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), f"--database={database}", str(tmp_path)]
    log = tmp_path / "log"
    with log.open("w") as output:
        session = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "collected" in log.read_text(), explain=log.read_text)
        left = psutil.Process(session.pid).children(recursive=True)
        names = [child.name() for child in left]
    finally:
        os.kill(session.pid, signal.SIGKILL)
        session.wait()
    assert "valkey-server" in names
    wait_until(lambda: all(is_gone(child.pid) for child in left))
