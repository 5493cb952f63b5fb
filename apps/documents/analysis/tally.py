"""Count the items of a stream in bounded memory."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Tally(Generic[T]):
    """Counts the occurrences of each item.

    When there are more different items than the limit, the rare ones are dropped. An item that comes after that may
    have been dropped before, so its count is a lower bound. The count of an item that was never dropped is exact.

    Parameters:
      limit: Different items that are kept; a few more between two calls of `add`.
    """

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self._counts: Counter[T] = Counter()
        self._never_dropped: set[T] | None = None

    def add(self, items: Iterable[T]) -> None:
        """Count more items. Pass about a page at once: the limit may be exceeded by as many."""
        self._counts.update(items)
        if len(self._counts) > self.limit:
            self._drop_rare()

    def merge(self, counts: "Counter[T]") -> None:
        """Add the counts of another tally."""
        self._counts.update(counts)
        if len(self._counts) > self.limit:
            self._drop_rare()

    def exact(self) -> Counter[T]:
        """Return the items whose count is exact: all items, unless there were too many."""
        if self._never_dropped is None:
            return self._counts
        return Counter({item: self._counts[item] for item in self._never_dropped})

    def at_least(self) -> Counter[T]:
        """Return all items that are kept. Late ones may have occurred more often."""
        return self._counts

    def _drop_rare(self) -> None:
        kept, floor = self._counts, 1
        while len(kept) > self.limit // 2:
            kept = Counter({item: count for item, count in kept.items() if count > floor})
            floor *= 2
        self._counts = kept
        before = self._never_dropped
        self._never_dropped = set(kept) if before is None else before & kept.keys()
