"""What travels through Redis: Dramatiq's own message, with the fence in its options."""

from typing import Any

from dramatiq import Message
from dramatiq.errors import DecodeError

#: Options that belong to one publication of a message, not to the message.
WIRE_OPTIONS = ("redis_message_id", "attempt")


def wire_id(task_id: str, attempt: int) -> str:
    """The message's id in Redis. The same attempt has the same id, so publishing twice does nothing."""
    return f"{task_id}:{attempt}"


def options_for(task_id: str, attempt: int) -> dict[str, Any]:
    """The options that tell an attempt on the wire."""
    return {"redis_message_id": wire_id(task_id, attempt), "attempt": attempt}


def for_attempt(message: Message[Any], attempt: int, *, retries: int = 0) -> Message[Any]:
    """The message as it is published for an attempt."""
    options = options_for(message.message_id, attempt)
    if retries:
        options["retries"] = retries
    return message.copy(options=options)


def from_row(row: Any) -> Message[Any]:
    """The message of a `TaskStatus` row, for the attempt that the row is at."""
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
    """The message in bytes that anybody may have put into Redis.

    Raises:
      DecodeError: They are no message, or one whose parts have other types than Dramatiq's.
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
    """The attempt that the message is for; None: it was not published by this project."""
    attempt = message.options.get("attempt")
    return attempt if isinstance(attempt, int) and not isinstance(attempt, bool) else None
