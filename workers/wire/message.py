"""Messages in Redis: Dramatiq's own, with the attempt in their options."""

from typing import Any

from dramatiq import Message
from dramatiq.errors import DecodeError

from apps.tasks.values import Send

#: Options that belong to one publication of a message, not to the message.
WIRE_OPTIONS = ("redis_message_id", "attempt")


def wire_id_of(task_id: str, attempt: int) -> str:
    """Return the message's id in Redis. An attempt has one id, so publishing it twice has no effect."""
    return f"{task_id}:{attempt}"


def for_attempt(message: Message[Any], attempt: int, *, retries: int = 0) -> Message[Any]:
    """Return the message as it is published for an attempt."""
    options = _options(message.message_id, attempt)
    if retries:
        options["retries"] = retries
    return message.copy(options=options)


def from_send(send: Send) -> Message[Any]:
    """Return the message of a send, for its first attempt."""
    return Message(
        queue_name=send.queue_name,
        actor_name=send.task_name,
        args=send.args,
        kwargs=send.kwargs,
        options={**send.options, **_options(send.task_id, 0)},
        message_id=send.task_id,
    )


def from_row(row: Any) -> Message[Any]:
    """Return the message of a `TaskStatus` row, for its current attempt."""
    message: Message[Any] = Message(
        queue_name=row.queue_name,
        actor_name=row.task_name,
        args=tuple(row.args),
        kwargs=row.kwargs,
        options=row.options,
        message_id=row.task_id,
        message_timestamp=int(row.created_at.timestamp() * 1000),
    )
    return for_attempt(message, row.attempt, retries=row.retries)


def decode(data: bytes) -> Message[Any]:
    """Return the message in bytes that any program may have put into Redis.

    Raises:
      DecodeError: The bytes are no message, or its parts have other types than Dramatiq's.
    """
    message: Message[Any] = Message.decode(data)
    parts = (message.queue_name, message.actor_name, message.message_id)
    if not (
        all(isinstance(part, str) for part in parts)
        and isinstance(message.kwargs, dict)
        and isinstance(message.options, dict)
    ):
        raise DecodeError("The parts of the message have other types than Dramatiq's.", data, None)
    return message


def attempt_of(message: Message[Any]) -> int | None:
    """Return the attempt that the message is for. None: this project did not publish it."""
    attempt = message.options.get("attempt")
    return attempt if isinstance(attempt, int) and not isinstance(attempt, bool) else None


def _options(task_id: str, attempt: int) -> dict[str, Any]:
    return {"redis_message_id": wire_id_of(task_id, attempt), "attempt": attempt}
