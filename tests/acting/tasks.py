"""Actors for the tests."""

import asyncio
import contextvars
import ctypes
import itertools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import dramatiq
from asgiref.sync import sync_to_async
from django.db import connection
from dramatiq.middleware import CurrentMessage

import tests.acting.django_tasks
from apps.tasks import progress

logger = logging.getLogger(__name__)


def _record(nonce: str) -> None:
    from tests.acting.models import Effect

    message = CurrentMessage.get_current_message()
    assert message is not None
    Effect.objects.create(
        nonce=nonce, task_id=message.message_id, attempt=message.options.get("attempt", 0), pid=os.getpid()
    )


@dramatiq.actor(actor_name="acting.effect", max_retries=3, min_backoff=50, max_backoff=200)
def effect(nonce: str) -> str:
    _record(nonce)
    return nonce


@dramatiq.actor(actor_name="acting.slow_effect", queue_name="slow", max_retries=3, min_backoff=50, max_backoff=200)
def slow_effect(nonce: str, seconds: float) -> str:
    """Leave an effect, then run for that time in steps that an interrupt can cut."""
    _record(nonce)
    for _ in progress.track(range(max(int(seconds / 0.02), 1)), "Steps"):
        time.sleep(0.02)
    return nonce


@dramatiq.actor(actor_name="acting.wait_at", queue_name="slow", max_retries=3, min_backoff=50, max_backoff=200)
def wait_at(gate: str, nonce: str) -> str:
    """Leave an effect, then run until the gate, a file, is there. An interrupt can cut it."""
    _record(nonce)
    for step in itertools.count():
        if os.path.exists(gate):
            break
        progress.set(min(step, 99), f"Step {step}")
        time.sleep(0.02)
    return nonce


@dramatiq.actor(actor_name="acting.log_at", queue_name="slow", max_retries=0)
def log_at(gate: str) -> None:
    """Log a line before the gate, a file, is there, and one after it."""
    logger.info("begun")
    while not os.path.exists(gate):
        time.sleep(0.02)
    logger.info("ended")


@dramatiq.actor(actor_name="acting.write_on", queue_name="slow", min_backoff=50, max_backoff=200)
def write_on(nonce: str, seconds: float) -> None:
    """Leave effects until it is cancelled. Each is one statement, which takes that time on PostgreSQL."""
    for number in itertools.count():
        with connection.cursor() as cursor:
            pause = "(SELECT pg_sleep(%s) IS NOT NULL)" if connection.vendor == "postgresql" else "%s >= 0"
            cursor.execute(
                "INSERT INTO acting_effect (nonce, task_id, attempt, pid, at) "
                f"SELECT %s, '', %s, %s, CURRENT_TIMESTAMP WHERE {pause}",
                [nonce, number, os.getpid(), seconds],
            )


@dramatiq.actor(actor_name="acting.transactional_effect", transactional=True, min_backoff=50, max_backoff=200)
def transactional_effect(nonce: str, seconds: float = 0) -> str:
    _record(nonce)
    time.sleep(seconds)
    return nonce


@dramatiq.actor(actor_name="acting.transactional_failure", transactional=True, max_retries=0)
def transactional_failure(nonce: str) -> None:
    _record(nonce)
    raise RuntimeError("after the effect")


@dramatiq.actor(actor_name="acting.unique_effect", unique=True, max_retries=3, min_backoff=50, max_backoff=200)
def unique_effect(nonce: str) -> str:
    _record(nonce)
    return nonce


@dramatiq.actor(actor_name="acting.say")
def say(value: Any) -> Any:
    """Return the argument."""
    return value


@dramatiq.actor(actor_name="acting.told")
def told(*, group: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Return the numbers that a callback of a group is given."""
    return group


@dramatiq.actor(actor_name="acting.say_odd", max_retries=0)
def say_odd(kind: str) -> Any:
    """Return or raise a value that a database or JSON refuses."""
    if kind == "nul error":
        raise RuntimeError("nul \x00 inside")
    return {
        "nul": {"te\x00xt": ["a\x00b"]},
        "surrogate": "\ud800",
        "nan": float("nan"),
        "bytes": b"x",
        "object": object,
    }[kind]


@dramatiq.actor(actor_name="acting.say_without_result", store_results=False)
def say_without_result() -> str:
    return "not kept"


@dramatiq.actor(actor_name="acting.fail_times", max_retries=3, min_backoff=20, max_backoff=100)
def fail_times(times: int) -> int:
    """Fail on the first attempts, then return the attempt."""
    message = CurrentMessage.get_current_message()
    assert message is not None
    attempt: int = message.options["attempt"]
    if attempt < times:
        raise RuntimeError(f"attempt {attempt} fails")
    return attempt


@dramatiq.actor(actor_name="acting.see_twice", max_retries=1, min_backoff=10, max_backoff=20)
def see_twice(value: Any, **named: Any) -> str:
    """Show the arguments as the error of the first run and the result of the second."""
    message = CurrentMessage.get_current_message()
    assert message is not None
    shown = repr((value, named))
    if not message.options.get("retries"):
        raise RuntimeError(shown)
    return shown


@dramatiq.actor(actor_name="acting.expected", throws=(KeyError,), max_retries=3)
def expected() -> None:
    raise KeyError("expected")


@dramatiq.actor(actor_name="acting.ask_again", max_retries=3)
def ask_again() -> str:
    message = CurrentMessage.get_current_message()
    assert message is not None
    if message.options["attempt"] == 0:
        raise dramatiq.errors.Retry("not yet", delay=100)
    return "now"


@dramatiq.actor(
    actor_name="acting.never_again", min_backoff=10, max_backoff=10, retry_when=lambda retries, exception: retries < 1
)
def never_again() -> None:
    raise RuntimeError("always")


@dramatiq.actor(actor_name="acting.exhaust", max_retries=1, min_backoff=10, on_retry_exhausted="acting.exhausted")
def exhaust() -> None:
    raise RuntimeError("always")


@dramatiq.actor(actor_name="acting.exhausted")
def exhausted(message: dict[str, Any], numbers: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": message["message_id"], **numbers}


@dramatiq.actor(actor_name="acting.note_success")
def note_success(message: dict[str, Any], result: Any) -> list[Any]:
    return [message["message_id"], result]


@dramatiq.actor(actor_name="acting.too_long", max_retries=0, time_limit=200)
def too_long() -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.01)


@dramatiq.actor(actor_name="acting.stubborn", max_retries=0, time_limit=100)
def stubborn() -> str:
    """Swallow the interrupt of the time limit."""
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.01)
    except BaseException:
        return "swallowed"
    return "not interrupted"


@dramatiq.actor(actor_name="acting.add")
def add(left: int, right: int) -> int:
    return left + right


@dramatiq.actor(actor_name="acting.hello")
async def hello(name: str) -> str:
    progress.set(50, "Half-way")
    await asyncio.sleep(0)
    return f"Hello {name}"


@dramatiq.actor(actor_name="acting.poison", queue_name="poison")
def poison(nonce: str) -> None:
    """Kill the process."""
    _record(nonce)
    os.kill(os.getpid(), signal.SIGKILL)


@dramatiq.actor(actor_name="acting.innocent", queue_name="poison")
def innocent(nonce: str) -> str:
    _record(nonce)
    return nonce


@dramatiq.actor(actor_name="acting.send_child")
def send_child(nonce: str) -> str:
    """Send another task from inside one."""
    return effect.send(nonce).message_id


@dramatiq.actor(actor_name="acting.known_actors")
def known_actors() -> list[str]:
    return sorted(dramatiq.get_broker().actors)


@dramatiq.actor(actor_name="acting.say_where")
def say_where(text: str) -> None:
    """Report a text in which \\0 stands for a NUL, which cannot be sent."""
    progress.set(50, text.replace("\\0", "\x00"))


@dramatiq.actor(actor_name="acting.kept_statements")
def kept_statements() -> int:
    """Return the number of statements whose texts this thread's connection keeps, after it made some."""
    from tests.acting.models import Effect

    for _ in range(3):
        Effect.objects.exists()
    return len(connection.queries_log)


def leave_a_transaction_open(how: str) -> None:
    """Begin a transaction and do not end it."""
    from django.db import connection, transaction

    if how == "autocommit off":
        transaction.set_autocommit(False)
    elif how == "BEGIN":
        connection.cursor().execute("BEGIN")
    else:
        transaction.atomic().__enter__()
    if how == "savepoint":
        transaction.atomic().__enter__()


def _leave_open(how: str) -> None:
    from django.db import transaction

    leave_a_transaction_open(how)
    _record(f"left open: {how}")
    if how == "broken":
        transaction.set_rollback(True)
    if how == "raises":
        raise RuntimeError("inside a transaction")


@dramatiq.actor(actor_name="acting.leave_open", max_retries=0)
def leave_open(how: str) -> None:
    _leave_open(how)


@dramatiq.actor(actor_name="acting.leave_open_transactional", max_retries=0, transactional=True)
def leave_open_transactional(how: str) -> None:
    _leave_open(how)


@dramatiq.actor(actor_name="acting.leave_open_async", max_retries=0)
async def leave_open_async(how: str) -> None:
    await sync_to_async(_leave_open)(how)


@dramatiq.actor(actor_name="acting.leave_open_in_a_thread", max_retries=0)
def leave_open_in_a_thread(how: str) -> None:
    """Leave a transaction open in a thread that ends."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, _leave_open, how).result()


@dramatiq.actor(actor_name="acting.call_inside_a_transaction", max_retries=0)
def call_inside_a_transaction(nonce: str) -> str:
    """Call another actor as a function, inside a transaction."""
    from django.db import transaction

    with transaction.atomic():
        return effect(nonce)


@dramatiq.actor(actor_name="acting.effect_async", max_retries=0)
async def effect_async(nonce: str) -> str:
    await sync_to_async(_record)(nonce)
    return (await sync_to_async(effect.send)(f"{nonce}, sent")).message_id


@dramatiq.actor(actor_name="acting.effects_in_threads", max_retries=0)
def effects_in_threads(count: int) -> None:
    """Write from threads of the task's own, which leave their connections open."""
    with ThreadPoolExecutor(count) as pool:
        barrier = threading.Barrier(count)
        for number in range(count):
            pool.submit(contextvars.copy_context().run, _record_together, barrier, f"thread {number}")


def _record_together(barrier: threading.Barrier, nonce: str) -> None:
    _record(nonce)
    barrier.wait(60)


# --- Async tasks that do something to the event loop they share ---


async def _leave() -> None:
    sys.exit("the input cannot be read")


@dramatiq.actor(actor_name="acting.harm_loop", max_retries=0)
async def harm_loop(kind: str) -> str:
    loop = asyncio.get_running_loop()
    match kind:
        case "exit":
            await _leave()
        case "child exits":
            await asyncio.create_task(_leave())
        case "callback exits":
            loop.call_soon(sys.exit)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancel":
            raise asyncio.CancelledError
        case "stop iteration":
            raise StopIteration
        case "generator exit":
            raise GeneratorExit
        case "stop":
            loop.stop()
        case "block":
            time.sleep(600)
        case "break":
            loop._selector.close()  # type: ignore[attr-defined]  # The loop cannot go on.
    await asyncio.sleep(0.05)
    return "went on"


# --- Tasks with child processes ---


def _square(number: int) -> int:
    return number * number


def _sleep() -> None:
    time.sleep(600)


def _use_database(nonce: str) -> None:
    """Send a task, and end the child's session with the database."""
    from django.db import connection

    effect.send(nonce)
    connection.close()


@dramatiq.actor(actor_name="acting.have_children", max_retries=0)
def have_children(kind: str) -> Any:
    forks = multiprocessing.get_context("fork")
    match kind:
        case "terminate":
            child = forks.Process(target=_sleep)
            child.start()
            child.terminate()
            child.join(60)
            # Another thread that starts a process reaps this one, too, and notes its exit code a moment later.
            for _ in range(1_000):
                if child.exitcode is not None:
                    break
                time.sleep(0.01)
            return child.exitcode
        case "pool":
            with forks.Pool(2) as pool:
                return pool.map(_square, range(4))
        case "pool that is late":
            with forks.Pool(1) as pool:
                try:
                    pool.apply_async(_sleep).get(timeout=0.1)
                except multiprocessing.TimeoutError:
                    return "late"
        case "executor":
            with ProcessPoolExecutor(2, mp_context=forks) as executor:
                return list(executor.map(_square, range(4)))
        case "return":
            pid = os.fork()
            if pid == 0:
                return "child"
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        case "descriptors":
            code = "import os; print([os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')[:-1]])"
            return subprocess.check_output([sys.executable, "-I", "-S", "-c", code], text=True, close_fds=False)
    return None


@dramatiq.actor(actor_name="acting.send_from_child", max_retries=0)
def send_from_child(nonce: str) -> int:
    """Let a forked child send between two statements of this task."""
    _record(f"{nonce} before")
    child = multiprocessing.get_context("fork").Process(target=_use_database, args=(f"{nonce} child",))
    child.start()
    child.join(60)
    _record(f"{nonce} after")
    return child.exitcode or 0


@dramatiq.actor(actor_name="acting.leave_orphan")
def leave_orphan() -> None:
    """Start a program that starts another, and ends before it."""
    subprocess.run(["sh", "-c", "sleep 0.5 & exit 0"], check=True, close_fds=True)


@dramatiq.actor(actor_name="acting.hold_lock", max_retries=0)
def hold_lock(seconds: int) -> None:
    """Hold Python's lock in C code for that time."""
    ctypes.PyDLL(None).sleep(seconds)


@dramatiq.actor(actor_name="acting.three_at_once", queue_name="limited", concurrency=3, max_retries=5)
def three_at_once(seconds: float) -> None:
    time.sleep(seconds)


@dramatiq.actor(actor_name="acting.twenty_a_second", queue_name="limited", rate_limit="20/s", max_retries=5)
def twenty_a_second() -> None:
    pass


@dramatiq.actor(
    actor_name="acting.one_a_key", queue_name="limited", concurrency=1, limit_key=lambda key: key, max_retries=5
)
def one_a_key(key: int) -> None:
    time.sleep(0.01)


@dramatiq.actor(
    actor_name="acting.two_a_key", queue_name="limited", rate_limit="2/s", limit_key=lambda key: key, max_retries=5
)
def two_a_key(key: int) -> None:
    pass


_leaked: list[bytearray] = []


@dramatiq.actor(actor_name="acting.leak")
def leak(megabytes: int) -> None:
    """Keep that much memory for as long as the process lives."""
    _leaked.append(bytearray(os.urandom(1)) * (megabytes * 1_000_000))
    time.sleep(0.1)


if os.environ.get("ACTING_ISOLATED"):
    import tests.acting.isolated  # noqa: F401 - Every worker process that knows one starts a server for it.
