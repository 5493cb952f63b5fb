"""taskiq on streams of Redis, with acknowledgements and without results: tasks are not tracked."""

import asyncio
import os
from typing import Any

import uvloop
from taskiq_redis import RedisStreamBroker

from benchmarks.rig.journal import mark

# A group starts with the first message, since a worker may start after the sender. Reading an answer may take long,
# since the benchmarks freeze workers.
broker = RedisStreamBroker(url=os.environ["REDIS_URL"], consumer_id="0", socket_timeout=None)


@broker.task
async def noop(number: int) -> None:
    mark(number)


@broker.task
async def rest(number: int, seconds: float) -> None:
    mark(number)
    await asyncio.sleep(seconds)


TASKS: dict[str, Any] = {"noop": noop, "rest": rest}


# --- The sender, which has no other API than coroutines ---

loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)


def prepare() -> None:
    loop.run(broker.startup())


def send(task: str, number: int, *arguments: Any) -> None:
    loop.run(TASKS[task].kiq(number, *arguments))
