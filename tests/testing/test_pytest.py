"""Tests run by any of pytest's and Django's own commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from aiWriting.environment import BASE_DIR
from tests.runner import PytestRunner


@pytest.mark.once
def test_pytest_finds_its_plugin_without_python() -> None:
    program = Path(sys.executable).parent / "pytest"
    done = subprocess.run(
        [program, "--collect-only", "-q", "-p", "no:cacheprovider", __file__],
        cwd=BASE_DIR, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_pytest_finds_its_plugin_without_python" in done.stdout


def test_djangos_command_runs_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def run(argv: list[str]) -> "subprocess.CompletedProcess[str]":
        calls.append(argv)
        return subprocess.CompletedProcess(argv, 1)

    monkeypatch.setattr(subprocess, "run", run)
    assert PytestRunner(failfast=True, interactive=False).run_tests(["tests/core"]) == 1
    assert calls == [[sys.executable, "-m", "pytest", "-x", "tests/core"]]
