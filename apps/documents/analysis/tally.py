"""Counting what occurs how often, in bounded memory."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Tally(Generic[T]):
    """How often each item of a stream occurs, of at most so many different ones.

    When there are more, the rare ones are forgotten. An item that comes after that may have come before, so its count
    is a lower bound; what was there from the start and never forgotten is counted exactly.

    Parameters:
      limit: So many items are kept; a few more between two calls of `add`.
    """

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self._counts: Counter[T] = Counter()
        self._never_forgotten: set[T] | None = None

    def add(self, items: Iterable[T]) -> None:
        """Count these too. Give no more at once than a page or so: it is what the limit may be exceeded by."""
        self._counts.update(items)
        if len(self._counts) > self.limit:
            self._forget()

    def merge(self, counts: "Counter[T]") -> None:
        """Add counts that were made elsewhere."""
        self._counts.update(counts)
        if len(self._counts) > self.limit:
            self._forget()

    def exact(self) -> Counter[T]:
        """The items whose count is certain; all of them, unless there were too many."""
        if self._never_forgotten is None:
            return self._counts
        return Counter({item: self._counts[item] for item in self._never_forgotten})

    def at_least(self) -> Counter[T]:
        """All items that are known; those that came late may have occurred more often."""
        return self._counts

    def _forget(self) -> None:
        kept, floor = self._counts, 1
        while len(kept) > self.limit // 2:
            kept = Counter({item: count for item, count in kept.items() if count > floor})
            floor *= 2
        self._counts = kept
        before = self._never_forgotten
        self._never_forgotten = set(kept) if before is None else before & kept.keys()
