"""Messages and tasks that no worker can run. They become rows that a person sees, or wait for a deploy."""

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from dramatiq import Actor, Message
from dramatiq.errors import DecodeError

from apps.tasks import ledger, states
from apps.tasks.json_safe import COMPACT, clean_text, json_safe
from apps.tasks.values import Claim, Outcome, Send
from workers.process.writer import is_data_error
from workers.sending import arguments
from workers.wire.message import decode

logger = logging.getLogger(__name__)

#: Claimed tasks that no actor here can run, by the reason.
Unfit = dict[str, list[Claim]]

#: Milliseconds before a task that no worker can take is tried again: a deploy may be in progress.
UNKNOWN_DELAY_MS = 10_000
#: Milliseconds after the first such try at which the task fails.
UNKNOWN_PATIENCE_MS = 10 * 60_000
#: Bytes that are kept of a message.
KEPT_BYTES = 2_000
#: Namespace of the task ids of messages that are kept as bytes.
KEPT = uuid.UUID("0d7c2b0e-6a53-4d0b-8b0a-0f6f2f1d9c55")

NO_JSON = "The message is no JSON that Dramatiq understands. Its bytes are in the options."
FOREIGN = "The message was put into Redis by another program; it has no row of ours."
ALTERED = "The message in Redis says otherwise than the row of its task, which runs as the row says."


# --- Messages ---


def keep_foreign(wire_id: str, data: bytes, *, queue_name: str) -> None:
    """Record a message of another program as a failed task. Without a row, its send may have been rolled back."""
    try:
        message = decode(data)
        args, kwargs = map(COMPACT.encode, json_safe([message.args, message.kwargs]))
        send = Send(
            task_id=clean_text(message.message_id),
            task_name=clean_text(message.actor_name),
            queue_name=queue_name,
            args=args,
            kwargs=kwargs,
        )
        ledger.dead_letter(send, reason=FOREIGN)
        logger.error("message was not sent by this project id=%s actor=%s", send.task_id, send.task_name)
    except Exception as error:
        if not is_data_error(error):
            raise
        # It may have values that no column holds. Its bytes can always be kept.
        is_json = not isinstance(error, DecodeError)
        _keep_bytes(
            wire_id, data, queue_name=queue_name, name="(foreign)" if is_json else "(undecodable)",
            reason=FOREIGN if is_json else NO_JSON,
        )  # fmt: skip


def keep_altered(wire_id: str, data: bytes, *, queue_name: str) -> None:
    """Record bytes that differ from the row of their task as a failed task of their own."""
    _keep_bytes(wire_id, data, queue_name=queue_name, name="(altered)", reason=ALTERED)


def is_ours(wire_id: str, data: bytes) -> bool:
    """Return whether a message was made by this project's code, with this database or another one."""
    try:
        options = decode(data).options
    except DecodeError:
        return False
    return (options.get("redis_message_id"), "attempt" in options) == (wire_id, True)


def drop(wire_id: str, data: bytes, *, queue_name: str) -> None:
    """Drop a message of ours without a row: its send was rolled back. Record one of another program."""
    if is_ours(wire_id, data):
        logger.warning("message dropped, it has no row wire_id=%s queue=%s", wire_id, queue_name)
    else:
        keep_foreign(wire_id, data, queue_name=queue_name)


def _keep_bytes(wire_id: str, data: bytes, *, queue_name: str, name: str, reason: str) -> None:
    shown = clean_text(wire_id[:KEPT_BYTES])
    send = Send(
        task_id=str(uuid.uuid5(KEPT, f"{wire_id!r} {data!r}")),
        task_name=name,
        queue_name=queue_name,
        options={"wire_id": shown, "data": clean_text(data[:KEPT_BYTES].decode(errors="replace"))},
    )
    ledger.dead_letter(send, reason=reason)
    logger.error("%s wire_id=%r queue=%s kept=%s", LOG_OF[name], shown[:255], queue_name, send.task_id)


LOG_OF = {
    "(undecodable)": "message cannot be decoded",
    "(foreign)": "message was not sent by this project",
    "(altered)": "message differs from its row",
}


# --- Claimed tasks ---


def why_unfit(message: Message[Any], actors: Mapping[str, Actor[..., Any]]) -> str:
    """Return why no actor here can run the message. Empty: one can."""
    actor = actors.get(message.actor_name)
    if actor is None:
        return f"No worker knows the actor {message.actor_name!r}. Retry it once one does."
    if misfit := arguments.misfit(actor, message):
        return f"No worker has a version of the actor that takes these arguments. {misfit}"
    return ""


def put_off(unfit: Unfit) -> None:
    """Release claimed tasks and postpone them, since a deploy may be in progress. Fail them after 10 minutes."""
    for reason, claims in unfit.items():
        with transaction.atomic():
            released = ledger.release_unstarted(claims)
            waiting, failed = ledger.put_off(
                released, delay_ms=UNKNOWN_DELAY_MS, patience_ms=UNKNOWN_PATIENCE_MS, reason=reason
            )
        logger.error(
            "no worker can take it postponed=%d failed=%d first=%s reason=%s",
            waiting, failed, claims[0].task_id, reason,
        )  # fmt: skip


def release_misplaced(claim: Claim, *, queue_name: str) -> None:
    """Release a task whose message was on another queue than the row says. The relay publishes it where it belongs."""
    logger.error("message is on the wrong queue id=%s queue=%s", claim.task_id, queue_name)
    ledger.release_one(claim.task_id, claim.attempt, worker_id=claim.worker_id)


def fail_unreadable(claim: Claim, *, task_name: str, reason: str) -> None:
    """Fail a claimed task whose row cannot be read."""
    logger.error("row cannot be read id=%s", claim.task_id)
    ledger.finish([Outcome(claim=claim, move=states.FAIL, task_name=task_name, error_message=reason)])
