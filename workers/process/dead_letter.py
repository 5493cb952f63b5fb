"""Messages that no worker can run. They become rows that a person sees and can retry later."""

import logging
import uuid
from typing import Any

from dramatiq import Message
from dramatiq.common import q_name

from apps.tasks.json_safe import clean_text
from apps.tasks.values import Send

logger = logging.getLogger(__name__)

#: Milliseconds before a task that no worker can take is tried again: a deploy may be in progress.
UNKNOWN_DELAY_MS = 10_000
#: Milliseconds after the first such try at which the task fails.
UNKNOWN_PATIENCE_MS = 10 * 60_000
#: Bytes that are kept of a message that cannot be decoded.
KEPT_BYTES = 2_000
#: Namespace of the task ids of messages that cannot be decoded.
UNDECODABLE = uuid.UUID("0d7c2b0e-6a53-4d0b-8b0a-0f6f2f1d9c55")


def keep_undecodable(wire_id: str, data: bytes, *, queue_name: str) -> None:
    """Record bytes that are no message as a failed task."""
    from apps.tasks import ledger

    send = Send(
        task_id=str(uuid.uuid5(UNDECODABLE, f"{wire_id} {data!r}")),
        task_name="(undecodable)",
        queue_name=queue_name,
        options={"wire_id": clean_text(wire_id), "data": clean_text(data[:KEPT_BYTES].decode(errors="replace"))},
    )
    logger.error("message cannot be decoded wire_id=%r queue=%s id=%s", wire_id, queue_name, send.task_id)
    ledger.dead_letter(send, reason="The message is no JSON that Dramatiq understands. Its bytes are in the options.")


def keep_foreign(message: Message[Any], *, queue_name: str) -> None:
    """Record a message of another program as a failed task. Without a row, its send may have been rolled back."""
    from apps.tasks import ledger

    send = Send(
        task_id=clean_text(str(message.message_id)),
        task_name=clean_text(str(message.actor_name)),
        queue_name=q_name(queue_name),
        args=tuple(message.args),
        kwargs=message.kwargs,
    )
    logger.error("message was not sent by this project id=%s actor=%s", send.task_id, send.task_name)
    ledger.dead_letter(send, reason="The message was put into Redis by another program; it has no row of ours.")


def postpone_unknown(message: Message[Any]) -> None:
    """Postpone a task whose actor is unknown (a deploy may be in progress). Fail it after 10 minutes."""
    from apps.tasks import ledger

    reason = f"No worker knows the actor {message.actor_name!r}. Retry it once one does."
    logger.error("unknown actor id=%s actor=%s", message.message_id, message.actor_name)
    ledger.put_off([message.message_id], delay_ms=UNKNOWN_DELAY_MS, patience_ms=UNKNOWN_PATIENCE_MS, reason=reason)
