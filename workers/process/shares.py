"""Shares of a worker process's threads: queues take turns by their weights while they have messages."""

from collections.abc import Callable, Collection


class Shares:
    """Counts the tasks that each queue was given. It has no lock: `Prefetch` calls it under its own.

    Each queue has a level: its tasks divided by its weight. The queue whose next task leads to the lowest level has the
    first turn, so levels stay together and tasks are in the proportion of the weights. A queue without messages keeps
    its level and rises to the lowest of the others when it has messages again: it cannot save up turns.

    Parameters:
      weight_of: Returns the weight of a queue.
    """

    def __init__(self, weight_of: Callable[[str], int]) -> None:
        self._weight_of = weight_of
        self._levels: dict[str, float] = {}
        self._weights: dict[str, int] = {}
        #: Queues that have messages, as far as this process knows.
        self._active: set[str] = set()

    def begin(self, queue_name: str) -> None:
        """Note that a queue may have messages."""
        if queue_name in self._active:
            return
        lowest = min((self._levels[name] for name in self._active), default=max(self._levels.values(), default=0.0))
        self._levels[queue_name] = max(self._levels.get(queue_name, 0.0), lowest)
        self._weights[queue_name] = self._weight_of(queue_name)
        self._active.add(queue_name)

    def end(self, queue_name: str) -> None:
        """Note that a queue has no messages."""
        self._active.discard(queue_name)

    def count(self, queue_name: str, number: int, *, most: int) -> None:
        """Count tasks that a queue was given.

        Parameters:
          most: Tasks of the smallest weight that another queue may be behind by. One whose consumer hung for long
            would take all turns.
        """
        self.begin(queue_name)
        level = self._levels[queue_name] = self._levels[queue_name] + number / self._weights[queue_name]
        lowest = level - most / min(self._weights[name] for name in self._active)
        for name in self._active:
            self._levels[name] = max(self._levels[name], lowest)

    def first(self, queues: Collection[str]) -> str:
        """Return the queue that has the first turn of several active ones."""
        return min(queues, key=lambda name: (self._levels[name] + 1 / self._weights[name], self._levels[name], name))

    def of(self, queue_name: str, room: int) -> int:
        """Return the number of tasks that an active queue may take of some room: its share, and at least one.

        The room is handed to the active queues as water fills vessels that stand at different levels.
        """
        if len(self._active) == 1:
            return room
        levels = sorted((self._levels[name], self._weights[name]) for name in self._active)
        width, volume, surface = 0, float(room), 0.0
        for index, (level, weight) in enumerate(levels):
            width, volume = width + weight, volume + level * weight
            surface = volume / width
            if index + 1 == len(levels) or surface <= levels[index + 1][0]:
                break
        share = (surface - self._levels[queue_name]) * self._weights[queue_name]
        return min(max(round(share), 1), room)
