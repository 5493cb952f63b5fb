"""Counts of one actor on one queue, or of several together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import add
from typing import Any

from apps.tasks.figures.buckets import BUCKETS, quantile

#: Events that are counted, in the order of a task's life.
KINDS = ("sent", "started", "completed", "failed", "retried", "cancelled", "rescued")
#: Columns of a tally that have a number.
NUMBERS = (*KINDS, "wait_ms", "run_ms")
#: Columns of a tally that are counts, in the order of the fields of `Counts`.
COLUMNS = (*NUMBERS, "waits", "runs")


@dataclass(slots=True)
class Counts:
    """Numbers of events, and how long tasks waited and ran.

    Parameters:
      sent: Tasks that were sent.
      started: Runs that began, automatic retries too.
      completed, failed, cancelled: Tasks that ended like this.
      retried: Automatic retries.
      rescued: Runs that ended with the death of their worker process.
      wait_ms, run_ms: Milliseconds that the ended tasks waited for their last start, and ran from then on, together.
      waits, runs: Number of these times in each bucket of `BOUNDS_SECONDS`, and in a last one.
    """

    sent: int = 0
    started: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0
    rescued: int = 0
    wait_ms: int = 0
    run_ms: int = 0
    waits: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    runs: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    @classmethod
    def of(cls, row: Any) -> "Counts":
        """Return the counts of a row of `Tally`. One of another version may have fewer buckets, an odd one none."""
        return cls.read(*(getattr(row, name) for name in COLUMNS))

    @classmethod
    def read(cls, *values: Any) -> "Counts":
        """Return the counts of the values of `COLUMNS`."""
        return cls(*values[:-2], *map(_padded, values[-2:]))

    @classmethod
    def together(cls, parts: Iterable["Counts"]) -> "Counts":
        found = cls()
        for part in parts:
            found.add(part)
        return found

    def add(self, other: "Counts", times: int = 1) -> None:
        """Add other counts, or take them off with `times=-1`."""
        # Written out: a page adds a thousand of them.
        self.sent += times * other.sent
        self.started += times * other.started
        self.completed += times * other.completed
        self.failed += times * other.failed
        self.retried += times * other.retried
        self.cancelled += times * other.cancelled
        self.rescued += times * other.rescued
        self.wait_ms += times * other.wait_ms
        self.run_ms += times * other.run_ms
        if times == 1:
            self.waits = list(map(add, self.waits, other.waits))
            self.runs = list(map(add, self.runs, other.runs))
        else:
            self.waits = [mine + times * its for mine, its in zip(self.waits, other.waits, strict=True)]
            self.runs = [mine + times * its for mine, its in zip(self.runs, other.runs, strict=True)]

    def columns(self) -> dict[str, Any]:
        """Return the values of a row of `Tally`."""
        return {name: getattr(self, name) for name in COLUMNS}

    def wait_quantile(self, part: float) -> float | None:
        """Return the seconds within which a part of the ended tasks had started. None: none had."""
        return quantile(self.waits, part, total_seconds=self.wait_ms / 1000)

    def run_quantile(self, part: float) -> float | None:
        """Return the seconds within which a part of the ended tasks ran. None: none had started."""
        return quantile(self.runs, part, total_seconds=self.run_ms / 1000)


def _padded(counts: Any) -> list[int]:
    if not isinstance(counts, list):
        return [0] * BUCKETS
    known = [count if isinstance(count, int) else 0 for count in counts[:BUCKETS]]
    return known + [0] * (BUCKETS - len(known))
