"""The history of a storm by nonce and by task, for the invariants."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.chaos.history import Fault, History, Row

#: The end of a task that no sender has described: a follow-up, a tick.
COMPLETES: dict[str, Any] = {"ends": ["completed"], "reason": "", "follow_ups": []}


@dataclass(frozen=True)
class Start:
    """A run of an actor, as the task noted it."""

    task_id: str
    attempt: int
    nonce: str
    at: float


class Seen:
    """The history by nonce and by task."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.rows = {row.task_id: row for row in history.rows}
        self.planned: dict[str, dict[str, Any]] = {}
        self.transactions: list[dict[str, Any]] = []
        self.words: dict[str, str] = {}
        self.starts: defaultdict[str, list[Start]] = defaultdict(list)
        self.wrote: set[tuple[str, int]] = set()
        #: Results of Django's Tasks API, as their senders read them.
        self.reads: list[dict[str, Any]] = []
        for note in history.notes:
            self._take(note)

    def _take(self, note: dict[str, Any]) -> None:
        match note["word"]:
            case "sending":
                self.transactions.append(note)
                for one in note["planned"]:
                    self.planned[one["nonce"]] = {**one, "began": note["began"], "sending": note["at"]}
                    self.words[one["nonce"]] = "sending"
            case "sent" | "rolled-back" as word:
                self.words |= dict.fromkeys(note["nonces"], word)
            case "start":
                start = Start(note["task_id"], note["attempt"], note["nonce"], note["at"])
                self.starts[start.task_id].append(start)
            case "read":
                self.reads.append(note)
            case "wrote":
                self.wrote.add((note["task_id"], note["attempt"]))

    @cached_property
    def rows_of(self) -> dict[str, list[Row]]:
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.rows.values():
            if row.nonce is not None:
                found[row.nonce].append(row)
        return dict(found)

    @cached_property
    def effects(self) -> Counter[tuple[str, int]]:
        return Counter((effect.task_id, effect.attempt) for effect in self.history.effects)

    @cached_property
    def follow_ups(self) -> dict[str, list[str]]:
        """The nonces of the tasks that must be sent by the ends of others, with those."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for nonce, planned in self.planned.items():
            for follow_up in planned["follow_ups"]:
                found[follow_up].append(nonce)
        return dict(found)

    @cached_property
    def start_times(self) -> list[float]:
        return sorted(start.at for starts in self.starts.values() for start in starts)

    def expected(self, nonce: str) -> dict[str, Any] | None:
        """Return how the task must end. None: no send has announced it."""
        if nonce in self.planned:
            return self.planned[nonce]
        return COMPLETES if nonce in self.follow_ups else None

    @property
    def clock_is_ours(self) -> bool:
        """Whether the database has a clock that no fault stepped."""
        return self.history.about["database"] == "postgresql" or not any(
            fault.kind.startswith("clock") for fault in self.history.faults
        )

    def is_disturbed(self, *, since: float, until: float, but: Fault | None = None) -> bool:
        """Return whether another fault happened in that time."""
        return any(
            fault is not but and fault.at < until and (fault.until or until) > since for fault in self.history.faults
        )
