"""Fetch messages from one queue, claim them in one statement and give them to the worker threads."""

import logging
import time
import uuid
from collections import deque
from collections.abc import Container, Iterable
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError
from dramatiq import Message
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError

from apps.core.connections import close_broken
from apps.tasks.conf import conf
from apps.tasks.values import Claim, Held
from workers.process import dead_letter
from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.holdings import Holdings
from workers.process.suspects import Suspect, seconds_to_clear
from workers.process.writer import Writer
from workers.wire.errors import UNREACHABLE
from workers.wire.message import attempt_of, decode
from workers.wire.queue import WireQueue

logger = logging.getLogger(__name__)

#: Seconds before a failed claim is tried again.
PAUSE_SECONDS = 0.5
#: Seconds between two looks at suspects that wait.
SUSPECT_SECONDS = 0.05
#: Seconds that a consumer waits for a message when the last wait brought none. Below the time limit of Redis.
IDLE_SECONDS = 3.0
#: Seconds that a consumer sleeps while it must not fetch.
REST_SECONDS = 0.1


class LedgerConsumer(Consumer):
    """Feeds one queue's messages to the worker threads of this process.

    Parameters:
      actors: Names of the known actors.
      timeout_seconds: Seconds to wait for a message before the consumer thread looks around.
    """

    def __init__(
        self,
        queue_name: str,
        *,
        holdings: Holdings,
        wire: WireQueue,
        writer: Writer,
        actors: Container[str],
        timeout_seconds: float,
    ) -> None:
        self.queue_name = queue_name
        self.holdings = holdings
        self.wire = wire
        self.writer = writer
        self.actors = actors
        self.timeout_seconds = timeout_seconds
        self.batch = holdings.batch_of(queue_name)
        self.ready: deque[ClaimedMessage] = deque()
        #: The last wait brought nothing. The bell rings while a message waits.
        self.is_idle = False

    # --- Dramatiq's interface ---

    def __next__(self) -> MessageProxy | None:
        if not self.ready:
            try:
                self.ready.extend(self._next_batch())
            except UNREACHABLE as error:
                raise ConnectionClosed(error) from None
            except (DatabaseError, InterfaceError) as error:
                logger.error("claim postponed, database does not answer queue=%s error=%s", self.queue_name, error)
                close_broken()
                time.sleep(PAUSE_SECONDS)
        return self.ready.popleft() if self.ready else None

    def ack(self, message: MessageProxy) -> None:
        """End the message's attempt, whatever its outcome. The writer writes the outcome and acks the message."""
        assert isinstance(message, ClaimedMessage)
        if message.attempt.outcome is None:
            message.attempt.lose(message.exception)
        self.writer.end(message.attempt)

    #: Dramatiq's dead-letter queue is not used: the row says what failed and why.
    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Release claimed messages that will not start here."""
        for message in messages:
            self.ack(message)

    def close(self) -> None:
        self.requeue(self.ready)
        self.ready.clear()

    # --- The next batch: a suspect, else what was fetched before, else what Redis has ---

    def _next_batch(self) -> list[ClaimedMessage]:
        if suspect := self._next_suspect():
            return [suspect]
        if not self.batch.fetched:
            self._fetch()
        return self._claim(self._newest(self._decode(self.batch.fetched))) if self.batch.fetched else []

    def _next_suspect(self) -> ClaimedMessage | None:
        """Claim a suspect if one may start. Let other processes have the suspects if one runs long."""
        for wire_id, suspect in list(self.batch.suspects.items()):
            if self.holdings.begin_suspect(suspect.clear_seconds):
                if claimed := self._claim_suspect(wire_id, suspect):
                    return claimed
                self.holdings.suspects.give_up()
        if self.batch.suspects and self.holdings.has_long_suspect:
            # Not at once: if no other process is idle, this one fetches them again.
            for wire_id in list(self.batch.suspects):
                self.holdings.keep_early(self.queue_name, wire_id)
                del self.batch.suspects[wire_id]
        return None

    def _fetch(self) -> None:
        """Fill the batch, or leave it empty if there is no room or no message within the time."""
        timeout_seconds = SUSPECT_SECONDS if self.batch.suspects else self.timeout_seconds
        room = self._wait_for_room(timeout_seconds)
        if not room:
            return
        if not self.is_idle:
            self.batch.fill(self.wire.fetch(self.queue_name, self.holdings.broker_id, limit=room))
        if not self.batch.fetched:
            if self.is_idle and not self.batch.suspects and not self.holdings.has_early:
                timeout_seconds = max(timeout_seconds, IDLE_SECONDS)
            self.batch.fill(self.wait_and_fetch(limit=room, timeout_seconds=timeout_seconds))
        self.is_idle = not self.batch.fetched

    def _wait_for_room(self, timeout_seconds: float) -> int:
        """Return the number of messages to fetch. 0: no room within the time, or nothing may be fetched."""
        self.requeue_early()
        if not self.holdings.may_start():
            time.sleep(min(timeout_seconds, REST_SECONDS))
            return 0
        return self.holdings.prefetch.wait_for_room(timeout_seconds=timeout_seconds)

    def requeue_early(self) -> None:
        """Requeue the messages of all queues that were kept for a while since they could not be claimed."""
        self.holdings.requeue_early(self._requeue)

    def wait_and_fetch(self, *, limit: int, timeout_seconds: float) -> list[tuple[str, bytes]]:
        """Fetch as soon as there is a message. Requeue messages that there is no room for by then."""
        fetched = self.wire.wait_and_fetch(
            self.queue_name, self.holdings.broker_id, limit=limit, timeout_seconds=timeout_seconds
        )
        room = self.holdings.prefetch.room if self.holdings.may_start() else 0
        if excess := [wire_id for wire_id, _ in fetched[room:]]:
            self._requeue(self.queue_name, excess[::-1])
        return fetched[:room]

    def _requeue(self, queue_name: str, wire_ids: list[str]) -> None:
        self.wire.requeue(queue_name, self.holdings.broker_id, wire_ids)

    # --- Messages ---

    def _decode(self, fetched: Iterable[tuple[str, bytes]]) -> dict[str, Message[Any]]:
        """Return the messages by wire id. A message that no actor of ours can run is put aside as a row."""
        messages: dict[str, Message[Any]] = {}
        for wire_id, data in fetched:
            try:
                message = decode(data)
            except DecodeError:
                dead_letter.keep_undecodable(wire_id, data, queue_name=self.queue_name)
            else:
                if attempt_of(message) is None or message.options.get("redis_message_id") != wire_id:
                    self._keep_foreign(wire_id, data, message)
                elif message.actor_name not in self.actors:
                    dead_letter.postpone_unknown(message)
                else:
                    messages[wire_id] = message
                    continue
            self.writer.ack(self.queue_name, wire_id)
        return messages

    def _keep_foreign(self, wire_id: str, data: bytes, message: Message[Any]) -> None:
        try:
            dead_letter.keep_foreign(message, queue_name=self.queue_name)
        except (DataError, IntegrityError, TypeError, ValueError):
            # Another program may send values that no column holds. Its bytes can always be kept.
            dead_letter.keep_undecodable(wire_id, data, queue_name=self.queue_name)

    def _newest(self, messages: dict[str, Message[Any]]) -> dict[str, Message[Any]]:
        """Return the messages without those of older attempts of the same task.

        A stopping process requeues its fetched messages beside the message of the attempt that came after. A claim
        names tasks, not attempts, and would start both.
        """
        last: dict[str, int] = {}
        for message in messages.values():
            last[message.message_id] = max(attempt_of(message) or 0, last.get(message.message_id, 0))
        newest = {}
        for wire_id, message in messages.items():
            if (attempt_of(message) or 0) < last[message.message_id]:
                self.writer.ack(self.queue_name, wire_id)
            else:
                newest[wire_id] = message
        return newest

    # --- Claims ---

    def _claim(self, messages: dict[str, Message[Any]]) -> list[ClaimedMessage]:
        """Claim the batch. Keep early messages and suspects, ack the rest."""
        from apps.tasks import ledger

        claimed: list[ClaimedMessage] = []
        if messages:
            attempts = [(message.message_id, attempt_of(message) or 0) for message in messages.values()]
            held, refusals = ledger.claim(attempts, claim_id=self.batch.claim_id, worker_id=self.holdings.worker_id)
            rows = {row.task_id: row for row in held}
            suspects = [refusal.task_id for refusal in refusals if refusal.suspect]
            crashes = ledger.crashes_of(suspects) if suspects else {}
            refused = {refusal.task_id: refusal for refusal in refusals}
            for wire_id, message in messages.items():
                if row := rows.get(message.message_id):
                    claimed.append(self._claimed(message, self.batch.claim_id, row))
                else:
                    task_id = message.message_id
                    self._refuse(wire_id, message, refused[task_id], crashes.get(task_id))
            self._hold(claimed)
        self.batch.clear()
        return claimed

    def _refuse(self, wire_id: str, message: Message[Any], refusal: Any, crashes: Any) -> None:
        if refusal.early:
            self.holdings.keep_early(self.queue_name, wire_id)
        elif crashes is not None:
            is_last_chance = crashes.number >= conf.TASK_MAX_CRASHES - 1
            clear_seconds = None if is_last_chance else seconds_to_clear(crashes.longest_seconds)
            self.batch.suspects[wire_id] = Suspect(message, clear_seconds)
        else:
            if refusal.missing:
                logger.warning("message dropped, it has no row id=%s queue=%s", message.message_id, self.queue_name)
            self.writer.ack(self.queue_name, wire_id)

    def _claim_suspect(self, wire_id: str, suspect: Suspect) -> ClaimedMessage | None:
        """Claim one suspect by itself, for which the right to start it is reserved."""
        from apps.tasks import ledger

        message = suspect.message
        try:
            held = ledger.claim_suspect(
                message.message_id,
                attempt_of(message) or 0,
                claim_id=suspect.claim_id,
                worker_id=self.holdings.worker_id,
            )
        except BaseException:
            self.holdings.suspects.give_up()
            raise
        if held is None:
            self.writer.ack(self.queue_name, wire_id)
            del self.batch.suspects[wire_id]
            return None
        claimed = self._claimed(message, suspect.claim_id, held, is_suspect=True)
        self.holdings.suspects.start(claimed.attempt, suspect.clear_seconds)
        self._hold([claimed])
        del self.batch.suspects[wire_id]
        return claimed

    def _hold(self, claimed: list[ClaimedMessage]) -> None:
        self.holdings.hold([message.attempt for message in claimed])
        self.writer.wake()

    def _claimed(
        self, message: Message[Any], claim_id: uuid.UUID, held: Held, *, is_suspect: bool = False
    ) -> ClaimedMessage:
        claim = Claim(
            task_id=message.message_id,
            row_id=held.row_id,
            attempt=attempt_of(message) or 0,
            claim_id=claim_id,
            worker_id=self.holdings.worker_id,
        )
        return ClaimedMessage(Attempt(message, claim, owner_id=held.owner_id, is_suspect=is_suspect))
