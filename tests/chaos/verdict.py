"""The verdict on a recorded history.

python -m tests.chaos.verdict DIRECTORY    # judges a recorded storm again
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.tasks import states
from tests.chaos.history import History, read
from tests.chaos.invariants import INVARIANTS, says_why
from tests.chaos.seen import Seen


@dataclass
class Verdict:
    """Figures, and the breaches of each invariant."""

    figures: dict[str, Any] = field(default_factory=dict)
    breaches: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def broken(self) -> dict[str, list[Any]]:
        """The invariants that do not hold, with examples."""
        return {name: found[:5] for name, found in self.breaches.items() if found}

    def write(self, directory: Path) -> None:
        """Write an assertion a line, and the figures."""
        lines = [
            {"invariant": name, "about": INVARIANTS[name].__doc__, "holds": not found, "breaches": found}
            for name, found in self.breaches.items()
        ]
        (directory / "assertions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (directory / "figures.json").write_text(json.dumps(self.figures, indent=2) + "\n")


def judge(history: History) -> Verdict:
    seen = Seen(history)
    verdict = Verdict(breaches={name: list(check(seen)) for name, check in INVARIANTS.items()})
    words = Counter(seen.words.values())
    last_end = max((row.finished_at or 0 for row in seen.rows.values()), default=0)
    slowest, measured = rescues(seen)
    verdict.figures = {
        **history.about,
        "tasks": len(seen.rows),
        "sent": words["sent"],
        "rolled back": words["rolled-back"],
        "interrupted while sending": words["sending"],
        "runs": sum(map(len, seen.starts.values())),
        "cancelled": sum(row.status == states.CANCELLED for row in seen.rows.values()),
        "cancelled while they ran": sum(
            row.status == states.CANCELLED and row.started_at is not None for row in seen.rows.values()
        ),
        "results read": dict(Counter(note["status"] for note in seen.reads)),
        "slots fired": sum(1 for row in seen.rows.values() if row.slot),
        "waiting with a reason": sum(row.status in states.UNFINISHED and says_why(row) for row in seen.rows.values()),
        "attempts that did not complete": dict(Counter(ended.outcome for ended in history.ended)),
        "faults": dict(Counter(fault.kind for fault in history.faults).most_common()),
        "breaches": {name: len(found) for name, found in verdict.breaches.items()},
        "all done after the last fault, seconds": round(max(last_end - history.calm_at, 0), 1),
        "rescues measured": measured,
        "slowest undisturbed rescue, seconds": round(slowest, 2),
    }
    return verdict


def rescues(seen: Seen) -> tuple[float, int]:
    """Measure the seconds from the kill of a worker to the new start of its task, if nothing else was disturbed.

    Returns:
      The longest, and the number of those measured.
    """
    starts = {(start.task_id, start.attempt): start.at for found in seen.starts.values() for start in found}
    task_ids = {row.id: row.task_id for row in seen.rows.values()}
    took = []
    for kill in [fault for fault in seen.history.faults if fault.kind == "kill -9 worker"]:
        for ended in seen.history.ended:
            is_its = ended.outcome == "rescue" and ended.pid == kill.pid and 0 < ended.ended_at - kill.at < 30
            start = starts.get((task_ids.get(ended.row_id, ""), ended.attempt + 1)) if is_its else None
            if start is not None and not seen.is_disturbed(since=kill.at - 1, until=start, but=kill):
                took.append(start - kill.at)
    return max(took, default=0.0), len(took)


if __name__ == "__main__":
    found = judge(read(Path(sys.argv[1])))
    print(json.dumps(found.figures, indent=2))
    print(json.dumps(found.broken, indent=2))
    sys.exit(bool(found.broken))
