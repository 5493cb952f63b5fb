"""The actors of the storm. Each run notes its start, and most leave an effect, so that a run too many is noticed.

An actor without retries does not use the database, which may be away: it ends as its sender expects, always.

`CHAOS_VERSION` is the version of the code that a process runs. Version B has an actor more, an argument more, and
another name for a queue.
"""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import sys
import time
import uuid
from multiprocessing.connection import Connection
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage
from periodiq import cron

from apps.tasks.errors import Snooze
from tests.chaos import journal
from tests.chaos.invariants import PLACES, STARTS_A_SECOND

VERSION = os.environ.get("CHAOS_VERSION", "B")
QUEUE = "chaos"
#: The storm stops the database for seconds, so every failure is retried soon and without end.
PATIENT: dict[str, Any] = {"max_retries": 100_000, "min_backoff": 100, "max_backoff": 1_000}
#: Namespace of the ids of children. A task that runs twice sends its child once.
CHILDREN = uuid.UUID("6f0e7f43-7a3c-4cf0-9f5b-1d7ad6c4a9d0")

Message = dict[str, Any]


def start(nonce: str) -> dict[str, Any]:
    """Note the start of a run. Return what identifies it."""
    message = CurrentMessage.get_current_message()
    assert message is not None
    run = {"nonce": nonce, "task_id": message.message_id, "attempt": int(message.options["attempt"])}
    journal.of_this_process().note("start", **run)
    return run


def record(nonce: str) -> int:
    """Note the start, then leave an effect in the database. Return the attempt."""
    from tests.acting.models import Effect

    run = start(nonce)
    Effect.objects.create(**run, pid=os.getpid())
    journal.of_this_process().note("wrote", **run)
    return int(run["attempt"])


@dramatiq.actor(actor_name="chaos.work", queue_name=QUEUE, **PATIENT)
def work(nonce: str, seconds: float = 0) -> int:
    attempt = record(nonce)
    time.sleep(seconds)
    return attempt


@dramatiq.actor(actor_name="chaos.commit", queue_name=QUEUE, transactional=True, **PATIENT)
def commit(nonce: str, seconds: float = 0) -> int:
    attempt = record(nonce)
    time.sleep(seconds)
    return attempt


@dramatiq.actor(actor_name="chaos.flaky", queue_name=QUEUE, **PATIENT)
def flaky(nonce: str) -> int:
    """Fail on the first run."""
    from tests.acting.models import Effect

    attempt = record(nonce)
    if Effect.objects.filter(nonce=nonce).count() == 1:
        raise RuntimeError("the first run fails")
    return attempt


@dramatiq.actor(actor_name="chaos.drowsy", queue_name=QUEUE, **PATIENT)
def drowsy(nonce: str) -> int:
    """Snooze on the first run."""
    from tests.acting.models import Effect

    attempt = record(nonce)
    if Effect.objects.filter(nonce=nonce).count() == 1:
        raise Snooze(delay=50)
    return attempt


@dramatiq.actor(actor_name="chaos.single", queue_name=QUEUE, **PATIENT)
def single(nonce: str) -> int:
    """Run while no other task with its key waits or runs."""
    return record(nonce)


@dramatiq.actor(actor_name="chaos.limited", queue_name=QUEUE, concurrency=PLACES, **PATIENT)
def limited(nonce: str) -> int:
    attempt = record(nonce)
    time.sleep(0.05)
    return attempt


@dramatiq.actor(actor_name="chaos.paced", queue_name=QUEUE, rate_limit=f"{STARTS_A_SECOND}/s", **PATIENT)
def paced(nonce: str) -> int:
    return record(nonce)


@dramatiq.actor(actor_name="chaos.fair", queue_name=QUEUE, fair_by=lambda nonce: nonce[-1], **PATIENT)
def fair(nonce: str) -> int:
    return record(nonce)


@dramatiq.actor(actor_name="chaos.tick", queue_name=QUEUE, periodic=cron("* * * * *"), **PATIENT)
def tick() -> None:
    """Do nothing. Fired every minute by any number of schedulers."""


# --- Follow-ups: stages of pipelines, callbacks, children ---


@dramatiq.actor(actor_name="chaos.together", queue_name=QUEUE, **PATIENT)
def together(nonce: str, group: dict[str, Any] | None = None) -> int:
    """The callback of a group, which must be sent once."""
    return record(nonce)


@dramatiq.actor(actor_name="chaos.stage", queue_name=QUEUE, **PATIENT)
def stage(nonce: str, before: Any) -> int:
    """A later stage of a pipeline."""
    return record(nonce)


@dramatiq.actor(actor_name="chaos.on_success", queue_name=QUEUE, **PATIENT)
def on_success(message: Message, result: Any) -> int:
    return record(f"{message['args'][0]}/success")


@dramatiq.actor(actor_name="chaos.on_failure", queue_name=QUEUE, **PATIENT)
def on_failure(message: Message, error: Any) -> int:
    return record(f"{message['args'][0]}/failure")


@dramatiq.actor(actor_name="chaos.on_exhausted", queue_name=QUEUE, **PATIENT)
def on_exhausted(message: Message, numbers: Any) -> int:
    return record(f"{message['args'][0]}/exhausted")


@dramatiq.actor(actor_name="chaos.succeed", queue_name=QUEUE, on_success="chaos.on_success", **PATIENT)
def succeed(nonce: str, filler: str = "") -> int:
    return record(nonce)


@dramatiq.actor(
    actor_name="chaos.fail",
    queue_name=QUEUE,
    max_retries=0,
    on_failure="chaos.on_failure",
    on_retry_exhausted="chaos.on_exhausted",
)
def fail(nonce: str) -> None:
    start(nonce)
    raise RuntimeError("on purpose")


def send_child(nonce: str) -> None:
    child = f"{nonce}/child"
    message = work.message(child).copy(message_id=str(uuid.uuid5(CHILDREN, child)))
    dramatiq.get_broker().enqueue(message)


@dramatiq.actor(actor_name="chaos.parent", queue_name=QUEUE, **PATIENT)
def parent(nonce: str) -> int:
    attempt = record(nonce)
    send_child(nonce)
    return attempt


@dramatiq.actor(actor_name="chaos.commit_parent", queue_name=QUEUE, transactional=True, **PATIENT)
def commit_parent(nonce: str) -> int:
    attempt = record(nonce)
    send_child(nonce)
    return attempt


# --- Odd ends ---


class SilentError(Exception):
    """An error without a text: its own code fails."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class BaseError(BaseException):
    """An error that `except Exception` lets pass."""


#: Errors by name, and a text that the failed row must hold.
ODD_ERRORS: dict[str, tuple[BaseException, str]] = {
    # As a parser may raise it: the line is a text, which `traceback` cannot format.
    "syntax": (SyntaxError("bad heading", ("book.md", 3, "7", "# x")), "bad heading"),  # type: ignore[arg-type]
    "silent": (SilentError(), ""),
    "base": (BaseError("not an Exception"), "not an Exception"),
    "large": (RuntimeError("x" * 5_000_000), "xxxx"),
    "nul": (RuntimeError("nul \x00 and \ud800"), "nul"),
}


@dramatiq.actor(actor_name="chaos.odd", queue_name=QUEUE, max_retries=0)
def odd(nonce: str, kind: str) -> None:
    start(nonce)
    raise ODD_ERRORS[kind][0]


@dramatiq.actor(actor_name="chaos.exit", queue_name=QUEUE, max_retries=0)
def leave(nonce: str) -> None:
    start(nonce)
    sys.exit("out of here")


@dramatiq.actor(actor_name="chaos.crash", queue_name=QUEUE, **PATIENT)
def crash(nonce: str) -> int:
    """End the process on the first attempt."""
    attempt = record(nonce)
    if attempt == 0:
        os._exit(9)
    return attempt


@dramatiq.actor(actor_name="chaos.fork", queue_name=QUEUE, max_retries=0)
def fork(nonce: str) -> int:
    """Start a child process and end it."""
    run = start(nonce)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=tell_and_wait, args=(theirs,), daemon=True)
    child.start()
    is_up = ours.poll(3)
    child.terminate()
    child.join(3)
    if child.is_alive():
        child.kill()
        child.join()
        raise RuntimeError("the child did not end by SIGTERM" if is_up else "the child did not start")
    return int(run["attempt"])


def tell_and_wait(pipe: Connection) -> None:
    pipe.send("up")
    time.sleep(5)


@dramatiq.actor(actor_name="chaos.async_work", queue_name=QUEUE, **PATIENT)
async def async_work(nonce: str) -> int:
    from tests.acting.models import Effect

    run = start(nonce)
    await Effect.objects.acreate(**run, pid=os.getpid())
    journal.of_this_process().note("wrote", **run)
    await asyncio.sleep(0.01)
    return int(run["attempt"])


@dramatiq.actor(actor_name="chaos.async_exit", queue_name=QUEUE, max_retries=0)
async def async_exit(nonce: str) -> None:
    start(nonce)
    sys.exit("out of the loop")


@dramatiq.actor(actor_name="chaos.hold_gil", queue_name=QUEUE, **PATIENT)
def hold_gil(nonce: str) -> int:
    """Keep every other thread of the process from running for two seconds."""
    attempt = record(nonce)
    ctypes.PyDLL(None).usleep(2_000_000)
    return attempt


@dramatiq.actor(actor_name="chaos.leave_atomic", queue_name=QUEUE, max_retries=0)
def leave_atomic(nonce: str) -> int:
    """Leave the thread's connection inside a transaction."""
    from django.db import DatabaseError, InterfaceError, transaction

    run = start(nonce)
    with contextlib.suppress(DatabaseError, InterfaceError):  # The database may be away.
        transaction.atomic().__enter__()
    return int(run["attempt"])


# --- Two versions ---

if VERSION == "A":

    @dramatiq.actor(actor_name="chaos.changed", queue_name=QUEUE, max_retries=0)
    def changed(nonce: str) -> int:
        return int(start(nonce)["attempt"])

else:

    @dramatiq.actor(actor_name="chaos.changed", queue_name=QUEUE, max_retries=0)
    def changed(nonce: str, *, reason: str = "none") -> int:
        return int(start(nonce)["attempt"])

    @dramatiq.actor(actor_name="chaos.fresh", queue_name=QUEUE, max_retries=0)
    def fresh(nonce: str) -> int:
        return int(start(nonce)["attempt"])


@dramatiq.actor(actor_name="chaos.moved", queue_name="chaos-old" if VERSION == "A" else "chaos-new", max_retries=0)
def moved(nonce: str) -> int:
    return int(start(nonce)["attempt"])


# --- Isolated tasks: each worker process that knows one starts a server for them ---

if os.environ.get("CHAOS_ISOLATION"):

    @dramatiq.actor(actor_name="chaos.isolated", queue_name=QUEUE, isolate=True, **PATIENT)
    def isolated(nonce: str) -> int:
        return record(nonce)

    @dramatiq.actor(
        actor_name="chaos.isolated_commit", queue_name=QUEUE, transactional=True, memory_limit="1 GB", **PATIENT
    )
    def isolated_commit(nonce: str) -> int:
        return record(nonce)

    @dramatiq.actor(actor_name="chaos.isolated_crash", queue_name=QUEUE, isolate=True, **PATIENT)
    def isolated_crash(nonce: str) -> int:
        """End the child on the first attempt."""
        attempt = record(nonce)
        if attempt == 0:
            os._exit(1)
        return attempt

    @dramatiq.actor(actor_name="chaos.boxed", queue_name=QUEUE, hard_time_limit=300, max_retries=0)
    def boxed(nonce: str) -> None:
        start(nonce)
        ctypes.PyDLL(None).sleep(600)
