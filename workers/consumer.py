"""The consumer: fetches a batch, claims it in one statement, and hands over what it holds, message by message."""

import logging
import time
import uuid
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connection
from dramatiq import Message
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError

from workers import wire
from workers.attempt import Attempt, ClaimedMessage
from workers.wire_queue import UNREACHABLE

if TYPE_CHECKING:
    from workers.runtime import Runtime

logger = logging.getLogger(__name__)

#: How long a process that cannot claim waits before it tries again.
PAUSE_SECONDS = 0.5
#: A task whose actor no worker knows is tried again after this time (a deploy may be under way) ...
UNKNOWN_ACTOR_DELAY_MS = 10_000
#: ... and fails when it was sent longer ago than this.
UNKNOWN_ACTOR_PATIENCE_MS = 10 * 60_000

Fetched = tuple[str, Message[Any]]


class LedgerConsumer(Consumer):
    """Gives one queue's messages to the worker threads of this process.

    Parameters:
      timeout_seconds: How long to wait for a message before the consumer thread looks around.
    """

    def __init__(self, runtime: "Runtime", queue_name: str, *, timeout_seconds: float) -> None:
        self.runtime = runtime
        self.queue_name = queue_name
        self.timeout_seconds = timeout_seconds
        self.ready: deque[ClaimedMessage] = deque()

    # --- Dramatiq's interface ---

    def __next__(self) -> MessageProxy | None:
        if not self.ready:
            try:
                self.ready.extend(self._next_batch())
            except UNREACHABLE as error:
                raise ConnectionClosed(error) from None
            except (DatabaseError, InterfaceError) as error:
                logger.error("a fetched batch cannot be claimed yet queue=%s error=%s", self.queue_name, error)
                connection.close()
                time.sleep(PAUSE_SECONDS)
        return self.ready.popleft() if self.ready else None

    def ack(self, message: MessageProxy) -> None:
        """The message was processed, whatever became of it: its outcome goes to the writer, which acks it."""
        assert isinstance(message, ClaimedMessage)
        self.runtime.end(message.attempt)

    #: Dramatiq's dead-letter queue is not used: the row tells what failed, and why.
    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back claimed messages that will not be started here."""
        for message in messages:
            self.ack(message)

    def close(self) -> None:
        self.requeue(self.ready)
        self.ready.clear()

    # --- A batch ---

    def _next_batch(self) -> list[ClaimedMessage]:
        hand = self.runtime.hands.setdefault(self.queue_name, Hand())
        if not hand.fetched:
            room = self.runtime.wait_for_room(timeout_seconds=self.timeout_seconds)
            if not room:
                return []
            found = self.runtime.fetch(self.queue_name, limit=room)
            if not found:
                self.runtime.wait_for_bell(self.queue_name, timeout_seconds=self.timeout_seconds)
                return []
            hand.hold(found)
            hand.fetched = [pair for pair in map(self._decoded, hand.raw) if pair is not None]
            hand.raw = []
        claimed = self._claim(hand)
        hand.fetched = []
        return claimed

    def _decoded(self, pair: tuple[str, bytes]) -> Fetched | None:
        """The message, if this project published it. What is none is put aside, alone."""
        wire_id, data = pair
        try:
            message = Message.decode(data)
        except DecodeError:
            logger.error("a message cannot be decoded, dropped wire_id=%s queue=%s", wire_id, self.queue_name)
        else:
            if wire.attempt_of(message) is not None and message.options.get("redis_message_id") == wire_id:
                return wire_id, message
            logger.error("a message has no row of ours, dropped wire_id=%s queue=%s", wire_id, self.queue_name)
        self.runtime.writer.ack(self.queue_name, wire_id)
        return None

    def _claim(self, hand: "Hand") -> list[ClaimedMessage]:
        from apps.tasks import ledger
        from apps.tasks.outcome import Claim

        known, unknown = self._known(hand.fetched)
        if unknown:
            self._put_off(unknown)
        if not known:
            return []
        attempts = [(message.message_id, wire.attempt_of(message) or 0) for _, message in known]
        held, refusals = ledger.claim(attempts, claim_id=hand.claim_id, worker_id=self.runtime.worker_id)
        owners = {row.task_id: row.owner_id for row in held}
        early = {refusal.task_id for refusal in refusals if refusal.early}
        claimed = []
        for wire_id, message in known:
            if message.message_id in owners:
                claim = Claim(
                    task_id=message.message_id,
                    attempt=wire.attempt_of(message) or 0,
                    claim_id=hand.claim_id,
                    worker_id=self.runtime.worker_id,
                )
                attempt = Attempt(message, claim, owner_id=owners[message.message_id])
                claimed.append(ClaimedMessage(attempt))
            elif message.message_id in early:
                self.runtime.put_back_later(self.queue_name, wire_id)
            else:
                self.runtime.writer.ack(self.queue_name, wire_id)
        for refusal in refusals:
            if refusal.missing:
                logger.warning("a message has no row, dropped id=%s queue=%s", refusal.task_id, self.queue_name)
        self.runtime.hold([message.attempt for message in claimed])
        return claimed

    def _known(self, fetched: list[Fetched]) -> tuple[list[Fetched], list[Fetched]]:
        actors = self.runtime.broker.actors
        return (
            [pair for pair in fetched if pair[1].actor_name in actors],
            [pair for pair in fetched if pair[1].actor_name not in actors],
        )

    def _put_off(self, fetched: list[Fetched]) -> None:
        """Let tasks of actors that this process does not know wait: a deploy may be under way."""
        from apps.tasks import ledger

        for wire_id, message in fetched:
            reason = f"No worker knows the actor {message.actor_name!r}."
            task_ids = [message.message_id]
            if not ledger.reject(task_ids, older_than_ms=UNKNOWN_ACTOR_PATIENCE_MS, reason=reason):
                ledger.postpone(task_ids, delay_ms=UNKNOWN_ACTOR_DELAY_MS)
            logger.error("unknown actor id=%s actor=%s", message.message_id, message.actor_name)
            self.runtime.writer.ack(self.queue_name, wire_id)


class Hand:
    """A fetched batch, kept until it is claimed, however often the claim must be tried. One for each queue."""

    def __init__(self) -> None:
        self.raw: list[tuple[str, bytes]] = []
        self.fetched: list[Fetched] = []
        self.claim_id = uuid.uuid4()

    def hold(self, raw: list[tuple[str, bytes]]) -> None:
        self.raw = raw
        self.claim_id = uuid.uuid4()
