"""Append-only files in which senders and tasks note what they do: one for each process, so that no fault reaches them.

Times are of the machine's monotonic clock, which all processes share and no fault steps.
"""

import json
import os
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

#: Directory of the journals, in the environment of the storm's processes.
VARIABLE = "CHAOS_JOURNALS"


class Journal:
    """The journal of one process. A line is one write, so a killed process leaves whole lines."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, word: str, **values: Any) -> None:
        line = json.dumps({"word": word, "at": time.monotonic(), "pid": os.getpid(), **values})
        os.write(self._file, line.encode() + b"\n")


def of_this_process() -> Journal:
    """Return the journal of this process. A forked process has its own."""
    return _of(os.getpid())


@lru_cache
def _of(pid: int) -> Journal:
    return Journal(Path(os.environ[VARIABLE]) / f"journal-{pid}")


def read(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the notes of all processes. The last line of a process may have been cut off with it."""
    for path in sorted(directory.glob("journal-*")):
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
