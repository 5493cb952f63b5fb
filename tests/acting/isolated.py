"""Isolated actors for the tests. Only those tests that set ACTING_ISOLATED know them."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import dramatiq
from django.db import connection, transaction
from dramatiq.middleware import CurrentMessage, TimeLimitExceeded

from apps.tasks import progress
from apps.tasks.errors import Snooze
from tests.acting.models import Effect
from tests.acting.tasks import _record, effect

logger = logging.getLogger(__name__)

QUEUE = "isolated"
#: Limits of the hostile actors. Each test waits for them.
HARD_LIMIT_MS = 600
CPU_LIMIT_SECONDS = 0.3


class OwnError(Exception):
    """An error that no pickle can carry."""

    def __init__(self, *, page: int) -> None:
        super().__init__(f"page {page} is torn")
        self.page = page
        self.lock = threading.Lock()


def _actor(name: str, **options: Any) -> Any:
    return dramatiq.actor(actor_name=f"acting.{name}", queue_name=QUEUE, **{"max_retries": 0, **options})


@_actor("isolated_effect", isolate=True)
def isolated_effect(nonce: str) -> dict[str, Any]:
    """Do what tasks do, and tell where."""
    _record(nonce)
    message = CurrentMessage.get_current_message()
    assert message is not None
    progress.set(40, "in the child")
    logger.info("a line of the child nonce=%s", nonce)
    return {"pid": os.getpid(), "sent": effect.send(f"{nonce} sent").message_id, "current": message.message_id}


@_actor("isolated_again", isolate=True)
def isolated_again() -> int:
    """Enqueue its own message once."""
    message = CurrentMessage.get_current_message()
    assert message is not None
    if not message.options["attempt"]:
        dramatiq.get_broker().enqueue(message, delay=1)
    return int(message.options["attempt"])


@_actor("isolated_hello", isolate=True)
async def isolated_hello(name: str) -> str:
    progress.set(50, "Half-way")
    await asyncio.sleep(0)
    return f"Hello {name} of {os.getpid()}"


@_actor("isolated_transaction", isolate=True, transactional=True, on_success="acting.note_success")
def isolated_transaction(nonce: str, how: str) -> str:
    """Write in the transaction of the outcome, then end as told."""
    _record(nonce)
    match how:
        case "raises":
            raise RuntimeError("after the effect")
        case "exits":
            os._exit(3)
    return nonce


@_actor("isolated_failure", isolate=True)
def isolated_failure(kind: str) -> Any:
    match kind:
        case "error":
            raise LookupError("no such page")
        case "own error":
            raise OwnError(page=7)
        case "local error":

            class LocalError(ValueError):
                pass

            raise LocalError("of a function")
        case "no json":
            return object()
        case "exit":
            sys.exit("the input cannot be read")
        case "snooze":
            message = CurrentMessage.get_current_message()
            if message is not None and message.options["attempt"] == 0:
                raise Snooze(delay=10)
            return "woke up"
        case "segfault":
            signal.raise_signal(signal.SIGSEGV)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    return None


@_actor("isolated_thrown", isolate=True, throws=(OwnError,), max_retries=3)
def isolated_thrown() -> None:
    raise OwnError(page=1)


@_actor("isolated_sleep", isolate=True, time_limit=200)
def isolated_sleep(seconds: float) -> str:
    """Sleep in one call, and tidy up if the time limit ends it."""
    try:
        time.sleep(seconds)
    except TimeLimitExceeded:
        progress.set(77, "tidied up")
        raise
    return "slept"


@_actor("isolated_wait", isolate=True, max_retries=3, min_backoff=10)
def isolated_wait(gate: str, nonce: str) -> str:
    """Leave an effect, then run until the gate, a file, is there."""
    progress.set(30, "waits")
    _record(nonce)
    while not os.path.exists(gate):
        time.sleep(0.02)
    return nonce


@_actor("isolated_query", hard_time_limit=HARD_LIMIT_MS)
def isolated_query(nonce: str, seconds: float) -> None:
    """Write in one statement that takes long."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO acting_effect (nonce, task_id, attempt, pid, at) SELECT %s, '', 0, 0, now() FROM pg_sleep(%s)",
            [nonce, seconds],
        )


@_actor("isolated_long", isolate=True)
def isolated_long(how: str) -> None:
    """Go on for ten minutes."""
    progress.set(30, "begun")
    deadline = time.monotonic() + 600
    match how:
        case "progress":
            for _ in progress.track(range(60_000), "Steps"):
                time.sleep(0.01)
        case "python":
            while time.monotonic() < deadline:
                pass
        case "sleep":
            time.sleep(600)
        case "query":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(600)")


@_actor("isolated_long_async", isolate=True)
async def isolated_long_async(how: str) -> None:
    progress.set(30, "begun")
    await asyncio.sleep(600)


@_actor("isolated_section", isolate=True)
def isolated_section(nonce: str) -> None:
    """Take longer in a shielded section than a cancelled task may go on."""
    try:
        with progress.shielded():
            progress.set(30, "begun")
            time.sleep(1.5)
            _record(f"{nonce}, section")
        _record(f"{nonce}, after")
    except progress.Cancelled:
        progress.current().report(80, "cleaned up")  # type: ignore[union-attr]
        raise


@_actor("isolated_stubborn", isolate=True)
def isolated_stubborn() -> None:
    """Swallow the cancellation."""
    progress.set(30, "begun")
    while True:
        try:
            time.sleep(600)
        except BaseException:
            time.sleep(0)


# --- Hostile tasks -------------------------------------------------------------------------------


@_actor("eat_memory", memory_limit="100 MB")
def eat_memory(total_bytes: int, *, step_bytes: int = 4_000_000) -> int:
    """Allocate memory, and write to each page of it."""
    eaten = []
    for _ in range(total_bytes // step_bytes):
        eaten.append(b"x" * step_bytes)
        time.sleep(0.001)
    return len(eaten)


@_actor("eat_memory_at_once", memory_limit="100 MB")
def eat_memory_at_once(total_bytes: int) -> int:
    return len(bytearray(total_bytes))


@_actor("eat_memory_in_children", memory_limit="150 MB")
def eat_memory_in_children(count: int, size_bytes: int) -> None:
    """Let children allocate memory, each in a session of its own."""
    for _ in range(count):
        if os.fork() == 0:
            os.setsid()
            kept = b"x" * size_bytes
            time.sleep(600 + len(kept) * 0)
    time.sleep(600)


@_actor("hold_the_lock", hard_time_limit=HARD_LIMIT_MS)
def hold_the_lock(seconds: int) -> None:
    """Hold Python's lock in C code."""
    ctypes.PyDLL(None).sleep(seconds)


@_actor("spin", cpu_limit=CPU_LIMIT_SECONDS)
def spin(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


@_actor("swallow", hard_time_limit=HARD_LIMIT_MS)
def swallow(seconds: float) -> str:
    """Swallow every exception."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            time.sleep(0.02)
            raise RuntimeError("one of many")
        except BaseException:
            progress.set(10, "swallowed one")
    return "never stopped"


@_actor("leave_children", hard_time_limit=HARD_LIMIT_MS)
def leave_children(path: str, *, and_return: bool) -> str:
    """Start children, one of them in a session of its own, and write their pids into a file."""
    pids = [subprocess.Popen(["sleep", "600"]).pid]
    for leaves_session in (False, True):
        pid = os.fork()
        if pid == 0:
            if leaves_session:
                os.setsid()
                if os.fork():
                    os._exit(0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            with open(path, "a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(600)
            os._exit(0)
        pids.append(pid)
    with open(path, "a") as file:
        file.write(f"{pids[0]}\n")
    while len(Path(path).read_text().split()) < 3:
        time.sleep(0.01)
    if not and_return:
        time.sleep(600)
    return "returned"


@_actor("exit_at_once", isolate=True)
def exit_at_once(code: int) -> None:
    os._exit(code)


@_actor("close_descriptors", hard_time_limit=HARD_LIMIT_MS)
def close_descriptors(*, and_return: bool) -> None:
    os.closerange(0, 4096)
    if not and_return:
        time.sleep(600)


@_actor("block_signals", hard_time_limit=HARD_LIMIT_MS)
def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    time.sleep(600)


@_actor("fork_and_return", isolate=True)
def fork_and_return() -> str:
    """Return in a forked process, too."""
    return f"{'child' if os.fork() == 0 else 'parent'}"


@_actor("effects_in_transaction", hard_time_limit=HARD_LIMIT_MS)
def effects_in_transaction(nonce: str) -> None:
    """Write in a transaction that does not end."""
    with transaction.atomic():
        Effect.objects.create(nonce=nonce, task_id="", attempt=0, pid=os.getpid())
        time.sleep(600)


@_actor("open_descriptors", isolate=True)
def open_descriptors() -> list[str]:
    """Return the descriptors that a program without any of its own would inherit."""
    folder = "/proc/self/fd"
    return [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder) if os.path.exists(f"{folder}/{fd}")]
