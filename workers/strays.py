"""Tasks that wait on a queue from which no worker takes: a deploy renamed it, or nobody works on it.

The code that runs here knows the names of today. A row has those of the code that sent it.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from apps.tasks import ledger, presence
from apps.tasks.models import WorkerProcess
from workers.broker import LedgerBroker
from workers.process.dead_letter import UNKNOWN_DELAY_MS, UNKNOWN_PATIENCE_MS
from workers.wire.message import wire_id_of

logger = logging.getLogger(__name__)


class Strays:
    """Finds a queue for tasks whose queue no worker takes.

    Parameters:
      publish: Publishes the rows that were moved.
    """

    def __init__(self, broker: LedgerBroker, *, publish: Callable[[Collection[ledger.Waiting]], object]) -> None:
        self.broker = broker
        self.publish = publish
        #: Queues without a worker at the last look, and those of them that are logged.
        self._idle: set[str] = set()
        self._told: set[str] = set()
        #: Pairs of queue and actor that are logged as unknown.
        self._unknown: set[tuple[str, str]] = set()

    def taken_by(self, workers: Iterable[WorkerProcess]) -> set[str]:
        """Return the queues that the workers take from, whether this code declares them or not."""
        return presence.taken_by(workers, self.broker.get_declared_queues())

    def settle(self, rows: Iterable[ledger.Waiting]) -> None:
        """Move tasks to the queue of their actor. Put off those whose actor is unknown, too.

        Parameters:
          rows: Due rows on queues that this code does not declare and that no living worker takes.
        """
        groups: defaultdict[tuple[str, str], list[ledger.Waiting]] = defaultdict(list)
        for row in rows:
            groups[row.queue_name, row.task_name].append(row)
        for (queue_name, task_name), group in groups.items():
            actor = self.broker.actors.get(task_name)
            if actor is not None:
                self._move(group, queue_name, actor.queue_name)
            else:
                self._put_off(group, queue_name, task_name)

    def _move(self, group: list[ledger.Waiting], old: str, new: str) -> None:
        moved = ledger.move(group, to_queue=new)
        self._forget(moved, old)
        if moved:  # Another relay may have been first.
            logger.warning("tasks moved, no worker takes their queue count=%d queue=%s to=%s", len(moved), old, new)
            self.publish(moved)

    def _put_off(self, group: list[ledger.Waiting], queue_name: str, task_name: str) -> None:
        if (queue_name, task_name) not in self._unknown:
            self._unknown.add((queue_name, task_name))
            logger.error("unknown queue and actor queue=%s actor=%s count=%d", queue_name, task_name, len(group))
        ledger.put_off(
            [row.task_id for row in group],
            delay_ms=UNKNOWN_DELAY_MS,
            patience_ms=UNKNOWN_PATIENCE_MS,
            reason=f"No worker takes tasks from the queue {queue_name!r}. Retry it once one does.",
        )
        self._forget(group, queue_name)

    def _forget(self, rows: Iterable[ledger.Waiting], queue_name: str) -> None:
        """Delete messages that would only take room."""
        self.broker.wire.contents.drop(queue_name, [wire_id_of(row.task_id, row.attempt) for row in rows])
        self.broker.wire.contents.abandon(queue_name)

    def tell(self, waiting: Mapping[str, int]) -> None:
        """Log each queue of this code that has due tasks and no worker, at the second look in a row.

        At the first one, its workers may be starting.

        Parameters:
          waiting: Number of due tasks of each such queue.
        """
        idle = set(waiting)
        for queue_name in sorted((idle & self._idle) - self._told):
            logger.warning("no worker takes from a queue queue=%s tasks=%d", queue_name, waiting[queue_name])
        for queue_name in sorted(self._told - idle):
            logger.info("a worker takes from a queue again queue=%s", queue_name)
        self._told = idle & (self._idle | self._told)
        self._idle = idle
