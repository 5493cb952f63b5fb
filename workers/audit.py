"""The audit compares the due rows with Redis and publishes those whose message no worker would get.

A worker gets a message that waits in a list of its queue, or that a living process has fetched. Redis may lose any part
of what it has: a list, a hash, a field of it, the acks of a process. A message that is left alone in the hash is
deleted, and its row is then published like any other that Redis does not have.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection

from apps.tasks import ledger, pauses, presence
from apps.tasks.models import WorkerProcess
from workers.broker import LedgerBroker
from workers.strays import Strays
from workers.wire.message import wire_id_of, words_of_row
from workers.wire.publisher import CHUNK_BYTES

logger = logging.getLogger(__name__)

#: Rows that are audited in one page.
PAGE = 2_000
#: Seconds between two audits that look for orphans although the numbers of Redis agree, at least.
THOROUGH_SECONDS = 60.0
#: The same, in multiples of the duration of such a look.
THOROUGH_REST = 200


class Audit:
    """The audits of one relay.

    Parameters:
      beat: Called between two pages: the relay lives though an audit may take long.
    """

    def __init__(self, broker: LedgerBroker, *, beat: Callable[[], object] = lambda: None) -> None:
        self.broker = broker
        self.beat = beat
        self.wire = broker.wire
        self.strays = Strays(broker, publish=self.publish)
        self._thorough_at = 0.0
        #: The last audit published rows without having looked for orphans.
        self._is_suspicious = False

    def publish(self, waiting: Collection[ledger.Waiting]) -> int:
        """Publish the rows that are still due, in runs of bounded size. Return the number of published ones.

        Raises:
          redis.RedisError: Redis is away. What was published before stays so.
        """
        published = 0
        for run in ledger.runs_of(waiting, max_bytes=CHUNK_BYTES):
            # Read anew: most have been fetched, run and acked since they were found.
            published += self.wire.republish(words_of_row(row) for row in ledger.still_due(run))
            self.beat()
        return published

    def run(self) -> int:
        """Publish every due row whose message no worker would get. Return their number."""
        declared = self.broker.get_declared_queues()
        workers = [worker for worker in presence.living() if worker.kind == WorkerProcess.KIND_WORKER]
        is_thorough = self._is_suspicious or time.monotonic() >= self._thorough_at
        began = time.monotonic()
        for queue_name in declared:
            self._drop_orphans(queue_name, is_thorough=is_thorough)
        if is_thorough:
            now = time.monotonic()
            self._thorough_at = now + max(THOROUGH_SECONDS, THOROUGH_REST * (now - began))
        lost, pk, tasks = 0, 0, Counter[str]()
        taken = self.strays.taken_by(workers)
        # Their tasks wait where they are.
        paused = pauses.names()[0]
        while rows := ledger.due_after(pk, limit=PAGE):
            tasks.update(row.queue_name for row in rows)
            lost += self.publish(self._absent([row for row in rows if row.queue_name in declared | taken]))
            self.strays.settle([row for row in rows if row.queue_name not in declared | taken | paused])
            pk = rows[-1].pk
            self.beat()
        self.strays.tell({name: tasks[name] for name in tasks.keys() & declared - taken - paused})
        self._is_suspicious = bool(lost) and not is_thorough
        if lost:
            logger.warning("lost messages published count=%d", lost)
        return lost

    def be_thorough(self) -> None:
        """Look for orphans with the next audit."""
        self._thorough_at = 0.0

    def _absent(self, rows: list[ledger.Waiting]) -> list[ledger.Waiting]:
        by_queue: defaultdict[str, list[ledger.Waiting]] = defaultdict(list)
        for row in rows:
            by_queue[row.queue_name].append(row)
        absent = []
        for queue_name, group in by_queue.items():
            present = self.wire.contents.present(queue_name, [wire_id_of(row.task_id, row.attempt) for row in group])
            absent += [row for row, there in zip(group, present, strict=True) if not there]
        return absent

    def _drop_orphans(self, queue_name: str, *, is_thorough: bool) -> None:
        """Delete the messages that no worker would get.

        The lists are read only if there are more messages than wire ids, or once in a while: they may have a million.
        """
        count = self.wire.contents.count(queue_name, _broker_ids())
        if not count.messages or (count.messages <= count.waiting + count.fetched and not is_thorough):
            return
        orphans = self.wire.contents.orphans(queue_name, _broker_ids())
        if orphans:
            # Once more: they may have moved meanwhile, or been fetched by a process that has just started.
            orphans = orphans & self.wire.contents.orphans(queue_name, _broker_ids())
        if orphans:
            self.wire.contents.drop(queue_name, orphans)
            logger.warning("messages dropped that no worker would get count=%d queue=%s", len(orphans), queue_name)


def _broker_ids() -> list[str]:
    """Return the names under which living workers keep what they have fetched."""
    return [worker.broker_id for worker in presence.living() if worker.kind == WorkerProcess.KIND_WORKER]
