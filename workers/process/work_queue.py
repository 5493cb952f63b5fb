"""The queue between the consumers of a process and its worker threads."""

import time
from collections.abc import Iterable
from queue import Empty, Queue
from typing import Any


class WorkQueue(Queue[Any]):
    """Dramatiq's items in the order in which Redis handed the messages out, which knows the priorities of all.

    Dramatiq's own would sort those of this process once more, and never come to the last one while there are others.

    A thread that finds an item takes it without a lock: a deque gives each to one thread. A batch is put in at once.
    """

    def put_all(self, items: Iterable[Any]) -> None:
        """Put a batch in."""
        batch = list(items)
        with self.mutex:
            self.queue.extend(batch)
            self.unfinished_tasks += len(batch)
            self.not_empty.notify(len(batch))

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the next item.

        Raises:
          Empty: There is none, or none came within the time.
        """
        try:
            return self.queue.popleft()
        except IndexError:
            if not block:
                raise Empty from None
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.mutex:
            while True:
                try:
                    # Threads that find an item do not take the lock: there may be none any more.
                    return self.queue.popleft()
                except IndexError:
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        raise Empty from None
                    self.not_empty.wait(left)

    @property
    def waiting(self) -> list[Any]:
        """The items that no thread has taken yet."""
        return list(self.queue)
