"""Log lines about the ends of tasks: one for each, without the values of arguments."""

import logging
from typing import Any

import dramatiq
import pytest

from tests.acting import tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("working")]

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Log all that Dramatiq and the workers say, whatever the settings are."""
    for name in ("dramatiq", "workers", "tests"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def lines(log: pytest.LogCaptureFixture, level: int) -> list[str]:
    """Return the lines about tasks and those of Dramatiq. The relay has others on a busy machine."""
    names = ("workers.middleware", "workers.process.attempt", "dramatiq")
    return [line.getMessage() for line in log.records if line.levelno == level and line.name.startswith(names)]


def test_a_failed_task_is_one_error_with_types_and_sizes_instead_of_arguments(declare, ended, log) -> None:
    def fails(password: str, *numbers: int, **more: Any) -> None:
        raise ValueError("no")

    message = declare(fails, max_retries=0).send(SECRET * 50_000, 7, items=[SECRET], none=None)
    ended(message)
    (line,) = lines(log, logging.ERROR)
    first, *traceback = line.splitlines()
    assert f"id={message.message_id} actor=acting.fails status=failed attempt=0" in first
    assert "error='ValueError: no' arguments=(str 350000, int, items: list 1, none: NoneType)" in first
    assert traceback[0] == "Traceback (most recent call last):"
    assert traceback[-1] == "ValueError: no"
    assert SECRET not in log.text


def test_a_retried_attempt_is_one_warning(declare, ended, log) -> None:
    def fails(password: str) -> None:
        raise ValueError("no")

    ended(declare(fails, max_retries=1, min_backoff=10, max_backoff=10).send(SECRET))
    (warning,) = lines(log, logging.WARNING)
    assert "status=pending attempt=0" in warning
    assert warning.endswith("error='ValueError: no' arguments=(str 7)")
    assert len(lines(log, logging.ERROR)) == 1
    assert SECRET not in log.text


def test_an_error_that_the_actor_expects_is_no_warning(ended, log) -> None:
    ended(tasks.expected.send())
    ended(tasks.ask_again.send())
    assert not lines(log, logging.WARNING) + lines(log, logging.ERROR)
    assert """error="KeyError: 'expected'" arguments=()""" in log.text


def test_a_long_error_is_cut(declare, ended, log) -> None:
    def fails() -> None:
        raise ValueError("x" * 20_000_000)

    ended(declare(fails, max_retries=0).send())
    (line,) = lines(log, logging.ERROR)
    assert len(line) < 5_000


def test_a_skipped_message_is_logged_without_its_arguments(broker, declare, ended, log) -> None:
    class Skips(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            if SECRET in message.args:
                raise dramatiq.middleware.SkipMessage

    skips = Skips()
    broker.add_middleware(skips)
    try:
        ended(tasks.say.send(SECRET))
    finally:
        broker.middleware.remove(skips)
    assert "acting.say" in log.text
    assert SECRET not in log.text


def test_a_follow_up_is_logged_without_its_arguments(declare, ended, wait_until, log) -> None:
    def fails(password: str) -> None:
        raise ValueError("no")

    ended(declare(fails, max_retries=0, on_retry_exhausted="acting.of_the_next_release").send(SECRET))
    wait_until(lambda: "no worker can take it" in log.text)
    assert SECRET not in log.text


def test_many_arguments_are_cut(declare, ended, log) -> None:
    def fails(*numbers: int) -> None:
        raise ValueError("no")

    ended(declare(fails, max_retries=0).send(*range(500)))
    (line,) = lines(log, logging.ERROR)
    assert f"({', '.join(['int'] * 20)}, …)" in line
