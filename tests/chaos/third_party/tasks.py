"""The tasks of the app. The storm's own functions note their runs, as they do those of actors."""

import asyncio
import os
import time
from typing import Any

from django_tasks import task

from tests.acting.models import Effect
from tests.chaos import journal
from tests.chaos.tasks import record, start

QUEUE = "chaos"


@task(queue_name=QUEUE)
def work(nonce: str, seconds: float = 0) -> int:
    attempt = record(nonce)
    time.sleep(seconds)
    return attempt


@task(queue_name=QUEUE, priority=5)
def flaky(nonce: str) -> int:
    """Fail on the first run."""
    attempt = record(nonce)
    if Effect.objects.filter(nonce=nonce).count() == 1:
        raise RuntimeError("the first run fails")
    return attempt


@task(queue_name=QUEUE, takes_context=True)
def look(context: Any, nonce: str) -> int:
    """Read its own result while it runs."""
    attempt = record(nonce)
    result = context.task_result
    assert (result.status, result.args, result.is_finished) == ("RUNNING", [nonce], False)
    assert 1 <= context.attempt <= attempt + 1
    return attempt


@task(queue_name=QUEUE)
async def work_later(nonce: str) -> int:
    run = start(nonce)
    await Effect.objects.acreate(**run, pid=os.getpid())
    journal.of_this_process().note("wrote", **run)
    await asyncio.sleep(0.01)
    return int(run["attempt"])


@task(queue_name=QUEUE, backend="once")
def fail(nonce: str) -> None:
    start(nonce)
    raise RuntimeError("on purpose")
