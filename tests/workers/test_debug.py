"""Processes that run under DEBUG, as a developer's do."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.acting import tasks
from tests.commands import RunningCommand

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def test_a_worker_keeps_no_statements_and_warns(
    worker: Callable[..., RunningCommand], wait_until: Callable[..., Any]
) -> None:
    """Each statement has its arguments in it, so 9,000 of them may take gigabytes."""
    running = worker("--processes", "1", DEBUG="1")
    running.wait_for("worker started")
    assert tasks.kept_statements.send().get_result(block=True) == 0
    wait_until(lambda: running.output.count("DEBUG is on") == 2)  # The relay warns, too.


def test_a_scheduler_warns(command: Callable[..., RunningCommand]) -> None:
    command("runscheduler", DEBUG="1").wait_for("DEBUG is on")


def test_nothing_warns_without_debug(worker: Callable[..., RunningCommand]) -> None:
    running = worker("--single")
    running.wait_for("worker started")
    assert tasks.kept_statements.send().get_result(block=True) == 0
    assert "DEBUG is on" not in running.output
