"""Fetch messages from one queue, claim them in one statement and give them to the worker threads."""

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, InterfaceError
from dramatiq import Actor, Message
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed

from apps.core.connections import close_broken
from apps.tasks.conf import conf
from apps.tasks.ledger import Refusal
from apps.tasks.ledger.work import Crashes
from apps.tasks.values import Claim, Held
from workers.neighbours import Neighbours
from workers.process import dead_letter
from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.dead_letter import Unfit
from workers.process.holdings import Holdings
from workers.process.prefetch import AHEAD_SECONDS
from workers.process.suspects import Suspect, seconds_to_clear
from workers.process.writer import Writer
from workers.wire.errors import UNREACHABLE
from workers.wire.message import UnreadableRowError, attempt_in, from_held, is_of
from workers.wire.queue import WireQueue

logger = logging.getLogger(__name__)

#: Seconds before a failed claim is tried again.
PAUSE_SECONDS = 0.5
#: Seconds between two looks at suspects that wait.
SUSPECT_SECONDS = 0.05
#: Seconds after which a suspect that waits here is offered to other processes again.
OFFER_SECONDS = 1.0
#: Seconds that a consumer waits for a message when the last wait brought none. Below the time limit of Redis.
IDLE_SECONDS = 3.0
#: Weight of the latest batch in the part of a queue's tasks that run in place, and the largest part that is believed.
WEIGHT, MOST_PART = 0.5, 0.95
#: Seconds that a consumer sleeps while it must not fetch, or lets the workers of another database fetch.
REST_SECONDS = 0.1


class LedgerConsumer(Consumer):
    """Feeds one queue's messages to the worker threads of this process.

    Parameters:
      actors: The known actors by name.
      timeout_seconds: Seconds to wait for a message before the consumer thread looks around.
      hand_over: Gives a batch to the worker threads and to the event loop.
      function_of: Returns the async function of an actor whose tasks run in place.
      is_mixed: Some of the queue's tasks run in place, and others in threads.
    """

    def __init__(
        self,
        queue_name: str,
        *,
        holdings: Holdings,
        wire: WireQueue,
        writer: Writer,
        actors: Mapping[str, Actor[..., Any]],
        timeout_seconds: float,
        hand_over: Callable[[list[ClaimedMessage]], object],
        function_of: Callable[[str], Any] = lambda actor_name: None,
        is_mixed: bool = False,
    ) -> None:
        self.queue_name = queue_name
        self.holdings = holdings
        self.wire = wire
        self.writer = writer
        self.actors = actors
        self.timeout_seconds = timeout_seconds
        self.hand_over = hand_over
        self.function_of = function_of
        self.is_mixed = is_mixed
        self.may_be_in_place = is_mixed or holdings.prefetch_of(queue_name) is holdings.in_place
        #: Part of its tasks that ran in place lately.
        self.part_in_place = 0.0
        self.prefetch = holdings.prefetch_of(queue_name)
        self.batch = holdings.batch_of(queue_name)
        self.neighbours = Neighbours(wire)
        #: Last time at which nothing kept it from claiming but Redis, by the monotonic clock.
        self.well_at = time.monotonic()
        #: Times at which suspects were offered to other processes, by wire id.
        self.offered: dict[str, float] = {}
        #: The last wait brought nothing. The bell rings while a message waits.
        self.is_idle = False

    # --- Dramatiq's interface ---

    def __next__(self) -> None:
        """Hand the next batch over, whole. Dramatiq's thread, which would hand over one by one, gets none."""
        try:
            batch = self._next_batch()
        except UNREACHABLE as error:
            raise ConnectionClosed(error) from None
        except (DatabaseError, InterfaceError) as error:
            logger.error("claim postponed, database does not answer queue=%s error=%s", self.queue_name, error)
            close_broken()
            time.sleep(PAUSE_SECONDS)
            return
        if batch:
            self.hand_over(batch)
        self.well_at = time.monotonic()

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

    # --- The next batch: a suspect, else what was fetched before, else what Redis has ---

    def _next_batch(self) -> list[ClaimedMessage]:
        if self.is_paused:
            self._rest()
            return []
        if suspect := self._next_suspect():
            return [suspect]
        try:
            if not self.batch.fetched:
                self._fetch()
            return self._claim(self._newest(self._attempts(self.batch.fetched))) if self.batch.fetched else []
        finally:
            self.prefetch.settle(self.queue_name, is_empty=self.is_idle)

    @property
    def is_paused(self) -> bool:
        """Whether its queue is paused."""
        return self.queue_name in self.holdings.paused.queues

    def _rest(self) -> None:
        """Requeue what is fetched, and fetch nothing for a moment. The queue keeps its order."""
        if wire_ids := [wire_id for wire_id, _ in self.batch.fetched] + list(self.batch.suspects):
            self._requeue(self.queue_name, wire_ids[::-1])
            self.batch.clear()
            self.batch.suspects.clear()
        self.requeue_early()
        self.is_idle = False
        self.prefetch.settle(self.queue_name, is_empty=True)
        time.sleep(REST_SECONDS)

    def _next_suspect(self) -> ClaimedMessage | None:
        """Claim a suspect if one may start. Offer those that may not to other processes."""
        for wire_id, suspect in list(self.batch.suspects.items()):
            if self.holdings.begin_suspect(suspect.clear_seconds):
                if claimed := self._claim_suspect(wire_id, suspect):
                    return claimed
                self.holdings.suspects.give_up()
        if self.batch.suspects:
            self._offer_suspects()
        return None

    def _offer_suspects(self) -> None:
        """Requeue the suspects that wait here, each once in `OFFER_SECONDS`.

        A process that is idle fetches them at once. If none is, this one does, and they wait here.
        """
        before = time.monotonic() - OFFER_SECONDS
        self.offered = {wire_id: at for wire_id, at in self.offered.items() if at > before}
        if offered := [wire_id for wire_id in self.batch.suspects if wire_id not in self.offered]:
            self._requeue(self.queue_name, offered[::-1])
            self.offered |= dict.fromkeys(offered, time.monotonic())
            for wire_id in offered:
                del self.batch.suspects[wire_id]

    def _fetch(self) -> None:
        """Fill the batch, or leave it empty if there is no room or no message within the time."""
        timeout_seconds = SUSPECT_SECONDS if self.batch.suspects else self.timeout_seconds
        self.requeue_early()
        if not self.holdings.may_start():
            time.sleep(min(timeout_seconds, REST_SECONDS))
            return
        if not self.is_idle:
            share = self.prefetch.wait_for_share(self.queue_name, timeout_seconds=timeout_seconds)
            if not share or self.is_paused:
                return
            limit = self._with_in_place(share) if self.part_in_place else share
            self.batch.fill(self.wire.fetch(self.queue_name, self.holdings.broker_id, limit=limit))
            if self.batch.fetched:
                return
            self.prefetch.settle(self.queue_name, is_empty=True)
        elif not self.batch.suspects and not self.holdings.has_early:
            timeout_seconds = max(timeout_seconds, IDLE_SECONDS)
        self.batch.fill(self.wait_and_fetch(timeout_seconds=timeout_seconds))

    def _with_in_place(self, share: int) -> int:
        """Return how many messages of a mixed queue to fetch for a share of the threads. Some will take none."""
        part, in_place = self.part_in_place, self.holdings.in_place
        if part > 0.5 and not self.holdings.is_loop_full():
            in_place.wait_for_room(timeout_seconds=AHEAD_SECONDS)
        return max(min(int(share / (1 - part)), int(in_place.room / part)), share)

    def requeue_early(self) -> None:
        """Requeue the messages of all queues that were kept for a while since they could not be claimed."""
        self.holdings.requeue_early(self._requeue)

    def wait_and_fetch(self, *, timeout_seconds: float) -> list[tuple[str, bytes]]:
        """Fetch as soon as there is a message. Requeue messages that there is no room for by then.

        Also without room: the queue then has its turns from here on.
        """
        prefetch = self.prefetch
        fetched = self.wire.wait_and_fetch(
            self.queue_name, self.holdings.broker_id, limit=max(prefetch.room, 1), timeout_seconds=timeout_seconds
        )
        self.is_idle = not fetched
        may_keep = bool(fetched) and self.holdings.may_start() and not self.is_paused
        share = prefetch.take_share(self.queue_name, len(fetched)) if may_keep else 0
        if excess := [wire_id for wire_id, _ in fetched[share:]]:
            self._requeue(self.queue_name, excess[::-1])
        return fetched[:share]

    def _requeue(self, queue_name: str, wire_ids: list[str]) -> None:
        self.wire.requeue(queue_name, self.holdings.broker_id, wire_ids)

    # --- Messages ---

    def _attempts(self, fetched: Iterable[tuple[str, bytes]]) -> dict[str, tuple[str, int]]:
        """Return task id and attempt of each message, by wire id. A message that cannot have a row is kept as one."""
        attempts = {}
        for wire_id, data in fetched:
            if named := attempt_in(wire_id):
                attempts[wire_id] = named
            else:
                dead_letter.keep_foreign(wire_id, data, queue_name=self.queue_name)
                self.writer.ack(self.queue_name, wire_id)
        return attempts

    def _newest(self, attempts: dict[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
        """Return the attempts without older ones of the same task.

        A stopping process requeues its fetched messages beside the message of the attempt that came after. A claim
        names tasks, not attempts, and would start both.
        """
        last = dict(sorted(attempts.values()))
        if len(last) == len(attempts):
            return attempts
        for wire_id, (task_id, attempt) in attempts.items():
            if attempt < last[task_id]:
                self.writer.ack(self.queue_name, wire_id)
        return {wire_id: named for wire_id, named in attempts.items() if named[1] == last[named[0]]}

    # --- Claims ---

    def _claim(self, attempts: dict[str, tuple[str, int]]) -> list[ClaimedMessage]:
        """Claim the batch and return the messages that can run here. Keep early ones and suspects, ack the rest."""
        from apps.tasks import ledger

        batch, data = self.batch, dict(self.batch.fetched)
        claimed: list[ClaimedMessage] = []
        unfit: Unfit = defaultdict(list)
        not_ours: list[str] = []
        if attempts:
            named = list(attempts.values())
            self._set_aside(named)
            held, refusals = ledger.claim(named, claim_id=batch.claim_id, worker_id=self.holdings.worker_id)
            rows = {row.task_id: row for row in held}
            suspects = [refusal.task_id for refusal in refusals if refusal.suspect]
            crashes = ledger.crashes_of(suspects) if suspects else {}
            refused = {refusal.task_id: refusal for refusal in refusals}
            for wire_id, (task_id, attempt) in attempts.items():
                if row := rows.get(task_id):
                    claim = self._claim_of(row, attempt, batch.claim_id)
                    if message := self._message_of(wire_id, data[wire_id], claim, row, unfit):
                        claimed.append(self._claimed(message, claim, row))
                elif refused[task_id].missing and self._may_be_a_neighbours(wire_id, data[wire_id]):
                    not_ours.append(wire_id)
                else:
                    self._refuse(wire_id, data[wire_id], refused[task_id], crashes.get(task_id))
            dead_letter.put_off(unfit)
            self._hold(claimed)
        batch.clear()
        if not_ours:
            self._requeue_for_neighbours(not_ours, rest=not claimed)
        return claimed

    def _set_aside(self, attempts: list[tuple[str, int]]) -> None:
        """Set the tasks of paused actors aside. Their claim is refused then."""
        from apps.tasks import ledger

        if self.holdings.paused.actors:
            ledger.set_aside(attempts, task_names=self.holdings.paused.actors)

    def _may_be_a_neighbours(self, wire_id: str, data: bytes) -> bool:
        return dead_letter.is_ours(wire_id, data) and self.neighbours.may_have(wire_id)

    def _requeue_for_neighbours(self, wire_ids: list[str], *, rest: bool) -> None:
        """Requeue messages of another database.

        Parameters:
          rest: Let its workers fetch them first.
        """
        with suppress(*UNREACHABLE):  # The reconciler finds them.
            self._requeue(self.queue_name, wire_ids[::-1])
            if rest:
                time.sleep(REST_SECONDS)

    def _refuse(self, wire_id: str, data: bytes, refusal: Refusal, crashes: Crashes | None) -> None:
        if refusal.early:
            self.holdings.keep_early(self.queue_name, wire_id)
        elif crashes is not None:
            is_last_chance = crashes.number >= conf.TASK_MAX_CRASHES - 1
            clear_seconds = None if is_last_chance else seconds_to_clear(crashes.longest_seconds)
            self.batch.suspects[wire_id] = Suspect(data, clear_seconds)
        else:
            if refusal.missing:
                dead_letter.drop(wire_id, data, queue_name=self.queue_name)
            self.writer.ack(self.queue_name, wire_id)

    def _claim_suspect(self, wire_id: str, suspect: Suspect) -> ClaimedMessage | None:
        """Claim one suspect by itself, for which the right to start it is reserved."""
        from apps.tasks import ledger

        task_id, attempt = attempt_in(wire_id) or ("", 0)
        unfit: Unfit = defaultdict(list)
        message = None
        try:
            self._set_aside([(task_id, attempt)])
            row = ledger.claim_suspect(task_id, attempt, claim_id=suspect.claim_id, worker_id=self.holdings.worker_id)
            if row is None:
                self.writer.ack(self.queue_name, wire_id)
            else:
                claim = self._claim_of(row, attempt, suspect.claim_id)
                message = self._message_of(wire_id, suspect.data, claim, row, unfit)
                dead_letter.put_off(unfit)
        except BaseException:
            self.holdings.suspects.give_up()
            raise
        if row is None or message is None:
            del self.batch.suspects[wire_id]
            return None
        claimed = self._claimed(message, claim, row, is_suspect=True)
        self.holdings.suspects.start(claimed.attempt, suspect.clear_seconds)
        self._hold([claimed])
        del self.batch.suspects[wire_id]
        return claimed

    def _claim_of(self, row: Held, attempt: int, claim_id: uuid.UUID) -> Claim:
        return Claim(row.task_id, row.row_id, attempt, claim_id, self.holdings.worker_id)

    def _message_of(self, wire_id: str, data: bytes, claim: Claim, row: Held, unfit: Unfit) -> Message[Any] | None:
        """Return the message that a claimed row says. None: it cannot run here, and was settled or is added to `unfit`.

        Redis is open to others, and may have been written by another version. Only the row says what runs.
        """
        try:
            message = from_held(row, claim.attempt)
        except UnreadableRowError as error:
            dead_letter.fail_unreadable(claim, task_name=row.task_name, reason=str(error))
        else:
            if not is_of(data, row, message):
                dead_letter.keep_altered(wire_id, data, queue_name=self.queue_name)
            if row.queue_name != self.queue_name:
                dead_letter.release_misplaced(claim, queue_name=self.queue_name)
            elif reason := dead_letter.why_unfit(message, self.actors):
                unfit[reason].append(claim)
            else:
                return message
        self.writer.ack(self.queue_name, wire_id)
        return None

    def _claimed(self, message: Message[Any], claim: Claim, row: Held, *, is_suspect: bool = False) -> ClaimedMessage:
        function = self.function_of(message.actor_name) if self.may_be_in_place else None
        return ClaimedMessage(
            Attempt(message, claim, owner_id=row.owner_id, line=row.line, function=function, is_suspect=is_suspect)
        )

    def _hold(self, claimed: list[ClaimedMessage]) -> None:
        if self.is_mixed and claimed:
            in_place = [message.attempt for message in claimed if message.attempt.function is not None]
            self.part_in_place += WEIGHT * (min(len(in_place) / len(claimed), MOST_PART) - self.part_in_place)
            if len(in_place) > (room := self.holdings.in_place.room) and self.holdings.is_loop_full():
                for attempt in in_place[room:]:
                    attempt.function = None  # A thread runs it.
        self.holdings.hold([message.attempt for message in claimed])
        self.writer.wake()
