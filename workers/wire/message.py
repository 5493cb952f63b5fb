"""Messages in Redis: Dramatiq's own, with the attempt in their options."""

import json
import os
import re
import time
from typing import Any

from dramatiq import Message
from dramatiq.errors import DecodeError
from dramatiq.message import get_encoder

from apps.tasks.errors import TaskError
from apps.tasks.json_safe import COMPACT, from_compact
from apps.tasks.values import Held, Send
from workers.wire.keys import level_word

_quoted = json.encoder.encode_basestring_ascii

#: Options that belong to one publication of a message, not to the message.
WIRE_OPTIONS = ("redis_message_id", "attempt")
#: Option of a message whose last attempt failed. Its row has it, and Redis does not.
TRACEBACK_OPTION = "traceback"

#: Characters of a task id, at most.
MAX_ID_LENGTH = 255
#: A task id that a row can have, and an attempt.
WIRE_ID = re.compile(rf"([^\x00\ud800-\udfff]{{1,{MAX_ID_LENGTH}}}):(0|[1-9][0-9]{{0,9}})")
#: What Redis gets of a message: queue and priority (`level_word`), wire id, encoded message.
Words = tuple[bytes, bytes, bytes]
#: Seconds in which ids begin with the same three digits. They begin so again after 12 days.
ID_STEP_SECONDS = 256
#: The highest attempt that its column can hold.
LAST_ATTEMPT = 2**31 - 1


#: Queue of the lines that a relay should look at. No queue of Dramatiq's can have its name.
LINES_QUEUE = "@lines"


class UnreadableRowError(TaskError, ValueError):
    """The row's arguments cannot be read."""


def make(**fields: Any) -> Message[Any]:
    """Return a message of all its fields, in a third of the time of its `__init__`: a frozen class sets each by a call.

    `args` must be a tuple.
    """
    message: Message[Any] = object.__new__(Message)
    vars(message).update(fields)
    return message


def new_id() -> str:
    """Return a UUID as text: the time in its first three digits, and 110 random bits.

    The index over all task ids has those of one time side by side. Each send, claim and end of a task writes one of its
    pages. Among random ids that is another page each time, which a large table has to read from the disk.
    """
    step = int(time.time()) // ID_STEP_SECONDS % 4096
    digits = os.urandom(14).hex()
    variant = "89ab"[int(digits[12], 16) & 3]
    return f"{step:03x}{digits[:5]}-{digits[5:9]}-8{digits[9:12]}-{variant}{digits[13:16]}-{digits[16:]}"


def wire_id_of(task_id: str, attempt: int) -> str:
    """Return the message's id in Redis. An attempt has one id, so publishing it twice has no effect."""
    return f"{task_id}:{attempt}"


def attempt_in(wire_id: str) -> tuple[str, int] | None:
    """Return the task id and the attempt in a wire id. None: no row can have them, so it is not of this project."""
    found = WIRE_ID.fullmatch(wire_id)
    if found is None or (attempt := int(found[2])) > LAST_ATTEMPT:
        return None
    return found[1], attempt


def for_attempt(message: Message[Any], attempt: int, *, retries: int = 0) -> Message[Any]:
    """Return the message as it is published for an attempt."""
    options = _options(message.message_id, attempt)
    if retries:
        options["retries"] = retries
    found = message.copy(options=options)
    found.options.pop(TRACEBACK_OPTION, None)
    return found


def words_of(message: Message[Any], *, priority: int = 0) -> Words:
    """Return the words of a message."""
    level = level_word(message.queue_name, priority)
    return level.encode(), message.options["redis_message_id"].encode(), message.encode()


def words_of_row(row: Any) -> Words:
    """Return the words of a `TaskStatus` row's current attempt."""
    return words_of(from_row(row), priority=row.priority)


def words_of_send(send: Send) -> Words:
    """Return the words of a send's first attempt. Its message, with the same words, would take longer to make."""
    task_id, wire_id = send.task_id, wire_id_of(send.task_id, 0)
    own = f'"redis_message_id":{_quoted(wire_id)},"attempt":0}}'
    options = f"{COMPACT.encode(send.options)[:-1]},{own}" if send.options else f"{{{own}"
    text = (
        f'{{"queue_name":{_quoted(send.queue_name)},"actor_name":{_quoted(send.task_name)},"args":{send.args},'
        f'"kwargs":{send.kwargs},"options":{options},"message_id":{_quoted(task_id)},'
        f'"message_timestamp":{int(time.time() * 1000)}}}'
    )
    encoder = get_encoder()
    data = text.encode() if getattr(encoder, "is_compact", False) else encoder.encode(json.loads(text))
    return level_word(send.queue_name, send.priority).encode(), wire_id.encode(), data


def words_of_line(task_name: str, line: str) -> Words:
    """Return the words that tell a relay of an actor's line. Telling it twice before it looks has no effect."""
    return LINES_QUEUE.encode(), json.dumps([task_name, line]).encode(), b""


def line_in(word: bytes) -> tuple[str, str] | None:
    """Return the actor and the line whose names were sent to a relay. None: the word is not ours."""
    try:
        task_name, line = json.loads(word)
    except (ValueError, TypeError, RecursionError):
        return None
    return (task_name, line) if isinstance(task_name, str) and isinstance(line, str) else None


def from_row(row: Any) -> Message[Any]:
    """Return the message of a `TaskStatus` row, for its current attempt."""
    message: Message[Any] = Message(
        queue_name=row.queue_name,
        actor_name=row.task_name,
        # A row that another program wrote may have anything. The worker that claims it says so.
        args=tuple(row.args) if isinstance(row.args, list) else (),
        kwargs=row.kwargs if isinstance(row.kwargs, dict) else {},
        options=row.options if isinstance(row.options, dict) else {},
        message_id=row.task_id,
        message_timestamp=int(row.created_at.timestamp() * 1000),
    )
    return for_attempt(message, row.attempt, retries=row.retries)


def from_held(held: Held, attempt: int) -> Message[Any]:
    """Return the message of a claimed row. The worker runs it, whatever Redis has.

    Raises:
      UnreadableRowError: Another program wrote the row, and Python cannot read it.
    """
    try:
        args, sent_ms = from_compact(held.args), int(held.sent_ms)
        kwargs = {} if held.kwargs == "{}" else from_compact(held.kwargs)
        options = {} if held.options == "{}" else from_compact(held.options)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UnreadableRowError(f"The row's arguments cannot be read: {type(error).__name__}.") from None
    if not (isinstance(args, list) and isinstance(kwargs, dict) and isinstance(options, dict)):
        raise UnreadableRowError("The row's arguments cannot be read: they must be a list and two objects.")
    options |= _options(held.task_id, attempt)
    if held.retries:
        options["retries"] = held.retries
    if held.traceback:
        options[TRACEBACK_OPTION] = held.traceback
    return make(
        queue_name=held.queue_name, actor_name=held.task_name, args=tuple(args), kwargs=kwargs, options=options,
        message_id=held.task_id, message_timestamp=sent_ms,
    )  # fmt: skip


def is_of(data: bytes, held: Held, message: Message[Any]) -> bool:
    """Return whether bytes from Redis are the message of a claimed row, but for the time of its send.

    Parameters:
      message: The row's message.
    """
    options = message.options
    if TRACEBACK_OPTION in options:
        options = {name: value for name, value in options.items() if name != TRACEBACK_OPTION}
    own = (
        COMPACT.encode(options)
        if held.retries or held.options != "{}"
        else (
            f'{{"redis_message_id":"{held.task_id}:{message.options["attempt"]}","attempt":{message.options["attempt"]}}}'
        )
    )
    expected = (
        f'{{"queue_name":"{held.queue_name}","actor_name":"{held.task_name}","args":{held.args},'
        f'"kwargs":{held.kwargs},"options":{own},"message_id":"{held.task_id}","message_timestamp":'
    ).encode()
    if data.startswith(expected) and data.endswith(b"}") and data[len(expected) : -1].isdigit():
        return True
    try:  # Written by another encoder.
        found = decode(data)
        return (found.queue_name, found.actor_name, found.args, found.kwargs, found.options, found.message_id) == (
            message.queue_name, message.actor_name, message.args, message.kwargs, options, message.message_id
        )  # fmt: skip
    except (DecodeError, RecursionError):
        return False


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


def _options(task_id: str, attempt: int) -> dict[str, Any]:
    return {"redis_message_id": wire_id_of(task_id, attempt), "attempt": attempt}
