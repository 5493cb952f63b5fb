"""Messages that no worker can run. They become rows that a person sees, and can send again once somebody can."""

import logging
import uuid
from typing import Any

from dramatiq import Message
from dramatiq.common import q_name

from apps.tasks.outcome import Send
from apps.tasks.storable import cleaned

logger = logging.getLogger(__name__)

#: A task whose actor this process does not know is tried again after this time: a deploy may be under way ...
UNKNOWN_ACTOR_DELAY_MS = 10_000
#: ... and fails when it was sent longer ago than this.
UNKNOWN_ACTOR_PATIENCE_MS = 10 * 60_000
#: What is kept of bytes that are no message.
KEPT_BYTES = 2_000
#: Undecodable messages get their task ids from this and their bytes.
UNDECODABLE = uuid.UUID("0d7c2b0e-6a53-4d0b-8b0a-0f6f2f1d9c55")


def keep_undecodable(wire_id: str, data: bytes, *, queue_name: str) -> None:
    """Keep bytes that are no message."""
    from apps.tasks import ledger

    send = Send(
        task_id=str(uuid.uuid5(UNDECODABLE, f"{wire_id} {data!r}")),
        task_name="(undecodable)",
        queue_name=queue_name,
        options={"wire_id": cleaned(wire_id), "data": cleaned(data[:KEPT_BYTES].decode(errors="replace"))},
    )
    logger.error("a message cannot be decoded wire_id=%r queue=%s id=%s", wire_id, queue_name, send.task_id)
    ledger.dead_letter(send, reason="The message is no JSON that Dramatiq understands. Its bytes are in the options.")


def keep_foreign(message: Message[Any], *, queue_name: str) -> None:
    """Keep a message that was put into Redis by somebody else: without a row, it may belong to a rolled-back send."""
    from apps.tasks import ledger

    send = Send(
        task_id=cleaned(str(message.message_id)),
        task_name=cleaned(str(message.actor_name)),
        queue_name=q_name(queue_name),
        args=tuple(message.args),
        kwargs=message.kwargs,
    )
    logger.error("a message was not sent by this project id=%s actor=%s", send.task_id, send.task_name)
    ledger.dead_letter(send, reason="The message was put into Redis by another program; it has no row of ours.")


def put_off_unknown(message: Message[Any]) -> None:
    """Let a task of an unknown actor wait; fail it when it has waited long enough."""
    from apps.tasks import ledger

    reason = f"No worker knows the actor {message.actor_name!r}. Send it again once one does."
    logger.error("unknown actor id=%s actor=%s", message.message_id, message.actor_name)
    if not ledger.reject([message.message_id], older_than_ms=UNKNOWN_ACTOR_PATIENCE_MS, reason=reason):
        ledger.postpone([message.message_id], delay_ms=UNKNOWN_ACTOR_DELAY_MS)
