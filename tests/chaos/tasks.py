"""The actors of the storm. Each run leaves an effect, so that a run too many is noticed and can be explained."""

import os
import time
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage
from periodiq import cron

#: The storm stops the database for seconds, so every failure is retried soon and without end.
PATIENT: dict[str, Any] = {"max_retries": 100_000, "min_backoff": 100, "max_backoff": 1_000}


def _record(nonce: str) -> int:
    from tests.acting.models import Effect

    message = CurrentMessage.get_current_message()
    assert message is not None
    attempt: int = message.options["attempt"]
    Effect.objects.create(nonce=nonce, task_id=message.message_id, attempt=attempt, pid=os.getpid())
    return attempt


@dramatiq.actor(actor_name="chaos.work", queue_name="chaos", **PATIENT)
def work(nonce: str, seconds: float = 0) -> str:
    _record(nonce)
    time.sleep(seconds)
    return nonce


@dramatiq.actor(actor_name="chaos.commit", queue_name="chaos", transactional=True, **PATIENT)
def commit(nonce: str, seconds: float = 0) -> str:
    _record(nonce)
    time.sleep(seconds)
    return nonce


@dramatiq.actor(actor_name="chaos.flaky", queue_name="chaos", **PATIENT)
def flaky(nonce: str) -> str:
    """Fail on the first run."""
    from tests.acting.models import Effect

    _record(nonce)
    if Effect.objects.filter(nonce=nonce).count() == 1:
        raise RuntimeError("the first run fails")
    return nonce


@dramatiq.actor(actor_name="chaos.together", queue_name="chaos", **PATIENT)
def together(nonce: str) -> str:
    """The callback of a group, which must be sent once."""
    _record(nonce)
    return nonce


@dramatiq.actor(actor_name="chaos.tick", queue_name="chaos", periodic=cron("* * * * *"), **PATIENT)
def tick() -> None:
    """Do nothing. Fired every minute by any number of schedulers."""
