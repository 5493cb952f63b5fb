"""The server of isolated tasks, as its worker process has it."""

import os
import uuid

import dramatiq
import pytest

from apps.tasks.errors import ChildError
from apps.tasks.values import Claim
from workers.isolation.fork_server import ForkServer
from workers.isolation.isolated import Isolated
from workers.isolation.limits import Limits
from workers.isolation.message import Job
from workers.process.attempt import Attempt

CLAIM = Claim("id", 1, 0, uuid.uuid4(), uuid.uuid4())


def test_a_server_that_cannot_load_django_is_told_and_fails_the_task(caplog: pytest.LogCaptureFixture) -> None:
    server = ForkServer(env={**os.environ, "DJANGO_SETTINGS_MODULE": "no_such_settings"})
    try:
        server.start()
        assert "server of isolated tasks does not start" in caplog.text
        message: dramatiq.Message[None] = dramatiq.Message("q", "acting.work", (), {}, {})
        job = Job("acting.work", (), {}, message.asdict(), CLAIM, None, None, 0.0, Limits())
        with pytest.raises(ChildError, match=r"could not be started|does not run"):
            Isolated(Attempt(message, CLAIM), job).run(*server.fork())
    finally:
        server.stop()


def test_a_server_that_was_not_started_can_be_stopped() -> None:
    ForkServer().stop()
