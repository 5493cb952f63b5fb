"""The recorded history of a storm: sends, faults, starts and rows, with their times.

Times are seconds of the machine's monotonic clock. Those of the database are converted.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A disturbance. `until` is its end, if it lasts."""

    kind: str
    at: float
    until: float | None = None
    pid: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task's row at the end of the storm."""

    id: int
    task_id: str
    task_name: str
    queue_name: str
    status: str
    attempt: int
    crashes: int
    nonce: str | None
    slot: str | None = None
    result: str | None = None
    error_message: str = ""
    run_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    unknown_since: float | None = None
    created_at: float | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a run wrote into the database."""

    nonce: str
    task_id: str
    attempt: int
    at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An attempt that did not complete."""

    row_id: int
    attempt: int
    outcome: str
    pid: int | None
    ended_at: float
    error: str = ""


@dataclass(kw_only=True)
class History:
    """The facts that the verdict is about.

    Parameters:
      notes: Lines of the journals of senders and tasks.
      calm_at: End of the last fault.
      left: Messages in Redis after the last task was done: number by key.
      open_groups: Groups that have not called back.
      tallied: Events that the relays have counted, by kind. Empty: the storm was too short to wait for them.
      tallied_until: Time before which they have counted all.
      ends: Exit codes of the processes that were asked to stop. None: it did not stop in time.
    """

    about: dict[str, Any]
    calm_at: float
    faults: Sequence[Fault] = ()
    notes: Sequence[dict[str, Any]] = ()
    rows: Sequence[Row] = ()
    effects: Sequence[Effect] = ()
    ended: Sequence[Ended] = ()
    left: dict[str, int] = field(default_factory=dict)
    open_groups: int = 0
    tallied: dict[str, int] = field(default_factory=dict)
    tallied_until: float = 0.0
    ends: dict[str, int | None] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Write the history: one file of JSON lines for each part."""
        directory.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Sequence[Any]] = {
            name: [asdict(item) for item in getattr(self, name)] for name in ("faults", "rows", "effects", "ended")
        }
        rest = {"about": self.about, "calm_at": self.calm_at, "left": self.left}
        rest |= {"open_groups": self.open_groups, "ends": self.ends}
        rest |= {"tallied": self.tallied, "tallied_until": self.tallied_until}
        for name, items in {**parts, "notes": self.notes, "storm": [rest]}.items():
            (directory / f"{name}.jsonl").write_text("".join(json.dumps(item, default=str) + "\n" for item in items))


def read(directory: Path) -> History:
    """Return the history that `write` wrote."""

    def lines(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (directory / f"{name}.jsonl").read_text().splitlines()]

    [rest] = lines("storm")
    return History(
        faults=[Fault(**line) for line in lines("faults")],
        rows=[Row(**line) for line in lines("rows")],
        effects=[Effect(**line) for line in lines("effects")],
        ended=[Ended(**line) for line in lines("ended")],
        notes=lines("notes"),
        **rest,
    )
