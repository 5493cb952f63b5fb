"""The consumer: fetches a batch, claims it in one statement, and hands over what it holds, message by message."""

import logging
import time
import uuid
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection
from dramatiq import Message
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError

from apps.tasks.outcome import Claim, Held
from workers import dead_letter, wire
from workers.attempt import Attempt, ClaimedMessage
from workers.unreachable import UNREACHABLE

if TYPE_CHECKING:
    from workers.runtime import Runtime

logger = logging.getLogger(__name__)

#: How long a process that cannot claim waits before it tries again.
PAUSE_SECONDS = 0.5
#: How soon the next task is looked at that must be claimed alone.
SUSPECT_SECONDS = 0.05


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
        #: Nothing was there the last time. While something waits, the bell has something in it.
        self.is_idle = False

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
        runtime, hand = self.runtime, self.runtime.hand_of(self.queue_name)
        if hand.suspects and runtime.may_run_suspect():
            try:
                if suspect := self._claim_suspect(hand):
                    return [suspect]
            except BaseException:
                runtime.release_suspect()
                raise
        if hand.suspects and runtime.has_long_suspect:
            # Another process may be idle. Not at once: if none is, this one fetches them again.
            for wire_id in list(hand.suspects):
                runtime.put_back_later(self.queue_name, wire_id)
                del hand.suspects[wire_id]
        timeout_seconds = SUSPECT_SECONDS if hand.suspects else self.timeout_seconds
        if not hand.fetched:
            room = runtime.wait_for_room(timeout_seconds=timeout_seconds)
            if not room:
                return []
            if not self.is_idle:
                hand.take(runtime.fetch(self.queue_name, limit=room))
            if not hand.fetched:
                if self.is_idle and not hand.suspects:
                    timeout_seconds = runtime.idle_seconds(timeout_seconds)
                hand.take(runtime.wait_and_fetch(self.queue_name, limit=room, timeout_seconds=timeout_seconds))
            self.is_idle = not hand.fetched
            if self.is_idle:
                return []
        messages = self._newest(self._decode(hand.fetched))
        claimed = self._claim(hand, messages)
        hand.drop()
        return claimed

    def _decode(self, fetched: Iterable[tuple[str, bytes]]) -> dict[str, Message[Any]]:
        """The messages by wire id. What is none of ours is put aside alone, where a person sees it."""
        messages: dict[str, Message[Any]] = {}
        for wire_id, data in fetched:
            try:
                message = wire.decode(data)
            except DecodeError:
                dead_letter.keep_undecodable(wire_id, data, queue_name=self.queue_name)
            else:
                if wire.attempt_of(message) is None or message.options.get("redis_message_id") != wire_id:
                    self._keep_foreign(wire_id, data, message)
                elif message.actor_name not in self.runtime.broker.actors:
                    dead_letter.put_off_unknown(message)
                else:
                    messages[wire_id] = message
                    continue
            self.runtime.writer.ack(self.queue_name, wire_id)
        return messages

    def _keep_foreign(self, wire_id: str, data: bytes, message: Message[Any]) -> None:
        try:
            dead_letter.keep_foreign(message, queue_name=self.queue_name)
        except (DataError, IntegrityError, TypeError, ValueError):
            # Another program may send what no column holds. Its bytes can be kept always.
            dead_letter.keep_undecodable(wire_id, data, queue_name=self.queue_name)

    def _newest(self, messages: dict[str, Message[Any]]) -> dict[str, Message[Any]]:
        """The messages without those whose task is there with a later attempt too.

        What a process had fetched waits again when it stops, beside the message of the attempt that came after.
        A claim tells tasks, not attempts: it would start both.
        """
        last: dict[str, int] = {}
        for message in messages.values():
            last[message.message_id] = max(wire.attempt_of(message) or 0, last.get(message.message_id, 0))
        newest = {}
        for wire_id, message in messages.items():
            if (wire.attempt_of(message) or 0) < last[message.message_id]:
                self.runtime.writer.ack(self.queue_name, wire_id)
            else:
                newest[wire_id] = message
        return newest

    def _claim(self, hand: "Hand", messages: dict[str, Message[Any]]) -> list[ClaimedMessage]:
        from apps.tasks import ledger

        if not messages:
            return []
        attempts = [(message.message_id, wire.attempt_of(message) or 0) for message in messages.values()]
        held, refusals = ledger.claim(attempts, claim_id=hand.claim_id, worker_id=self.runtime.worker_id)
        rows = {row.task_id: row for row in held}
        refused = {refusal.task_id: refusal for refusal in refusals}
        claimed = []
        for wire_id, message in messages.items():
            if row := rows.get(message.message_id):
                claimed.append(self._claimed(message, hand.claim_id, row))
            elif refused[message.message_id].early:
                self.runtime.put_back_later(self.queue_name, wire_id)
            elif refused[message.message_id].suspect:
                hand.suspects[wire_id] = message
            else:
                if refused[message.message_id].missing:
                    logger.warning("a message has no row, dropped id=%s queue=%s", message.message_id, self.queue_name)
                self.runtime.writer.ack(self.queue_name, wire_id)
        self.runtime.hold([message.attempt for message in claimed])
        return claimed

    def _claim_suspect(self, hand: "Hand") -> ClaimedMessage | None:
        """Claim one task whose worker died before, by itself."""
        from apps.tasks import ledger

        while hand.suspects:
            wire_id, message = next(iter(hand.suspects.items()))
            held = ledger.claim_suspect(
                message.message_id,
                wire.attempt_of(message) or 0,
                claim_id=hand.suspect_claim_id,
                worker_id=self.runtime.worker_id,
            )
            del hand.suspects[wire_id]
            if held is not None:
                claimed = self._claimed(message, hand.suspect_claim_id, held, is_suspect=True)
                hand.suspect_claim_id = uuid.uuid4()
                self.runtime.hold([claimed.attempt])
                return claimed
            self.runtime.writer.ack(self.queue_name, wire_id)
        self.runtime.release_suspect()
        return None

    def _claimed(
        self, message: Message[Any], claim_id: uuid.UUID, held: Held, *, is_suspect: bool = False
    ) -> ClaimedMessage:
        claim = Claim(
            task_id=message.message_id,
            row_id=held.row_id,
            attempt=wire.attempt_of(message) or 0,
            claim_id=claim_id,
            worker_id=self.runtime.worker_id,
        )
        return ClaimedMessage(Attempt(message, claim, owner_id=held.owner_id, is_suspect=is_suspect))


class Hand:
    """What a process fetched from one queue and has not claimed, kept however often the claim must be tried."""

    def __init__(self) -> None:
        self.fetched: list[tuple[str, bytes]] = []
        self.claim_id = uuid.uuid4()
        #: Tasks whose worker died before; they are claimed one at a time.
        self.suspects: dict[str, Message[Any]] = {}
        self.suspect_claim_id = uuid.uuid4()

    def take(self, fetched: list[tuple[str, bytes]]) -> None:
        self.fetched = fetched
        self.claim_id = uuid.uuid4()

    def drop(self) -> None:
        self.fetched = []

    @property
    def wire_ids(self) -> set[str]:
        return {wire_id for wire_id, _ in self.fetched} | set(self.suspects)
