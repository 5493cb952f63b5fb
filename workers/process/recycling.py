"""Replacement of a worker process after a number of tasks, or above a size of its memory."""

import logging
import random

from apps.tasks.models import WorkerProcess
from workers.process import memory
from workers.process.holdings import Holdings

logger = logging.getLogger(__name__)

#: Part of the number of tasks by which processes differ. They would all be replaced in the same moment.
SPREAD = 0.1


class Recycling:
    """Tells when this process is to be replaced. Without limits it never is."""

    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self.max_tasks = 0
        self.max_memory_mb = 0
        self._is_due = False
        #: How the process ends, as a word of `WorkerProcess.ENDED_CHOICES`. Empty: it is not recycled.
        self.ended = ""

    def limit(self, *, tasks: int, memory_mb: int) -> None:
        """Set the limits. 0: none.

        Parameters:
          tasks: Runs after which the process is replaced, or up to a tenth more.
          memory_mb: Resident memory above which it is replaced, but not before its first task.
        """
        self.max_tasks = tasks + random.randint(0, int(tasks * SPREAD)) if tasks else 0  # noqa: S311
        self.max_memory_mb = memory_mb

    @property
    def is_due(self) -> bool:
        """Whether the process is to be replaced. It fetches nothing from then on."""
        return self._is_due or bool(self.max_tasks and self.holdings.done >= self.max_tasks)

    def look(self) -> bool:
        """Look at the memory as well. Return whether the process is to be replaced."""
        if self._is_due:
            return True
        if not self.is_due and not (self.max_memory_mb and self.holdings.done):
            return False
        used_mb = memory.resident_mb()
        self._is_due = self.is_due or used_mb > self.max_memory_mb
        if self._is_due:
            is_by_tasks = self.max_tasks and self.holdings.done >= self.max_tasks
            self.ended = WorkerProcess.ENDED_RECYCLED if is_by_tasks else WorkerProcess.ENDED_MEMORY
            logger.info(
                "worker is recycled worker=%s tasks=%d memory_mb=%d",
                self.holdings.worker_id, self.holdings.done, used_mb,
            )  # fmt: skip
        return self._is_due
