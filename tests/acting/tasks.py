"""Actors for the tests."""

import asyncio
import os
import signal
import time
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from apps.tasks import progress


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


@dramatiq.actor(actor_name="acting.transactional_effect", transactional=True, min_backoff=50, max_backoff=200)
def transactional_effect(nonce: str, seconds: float = 0) -> str:
    _record(nonce)
    time.sleep(seconds)
    return nonce


@dramatiq.actor(actor_name="acting.transactional_failure", transactional=True, max_retries=0)
def transactional_failure(nonce: str) -> None:
    _record(nonce)
    raise RuntimeError("after the effect")


@dramatiq.actor(actor_name="acting.say")
def say(value: Any) -> Any:
    """Return the argument."""
    return value


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
