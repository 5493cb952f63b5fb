"""Marks of started tasks: number and time, in a file that is mapped into memory.

A mark takes neither a system call nor a lock, and is the same in every system, so that measuring costs next to nothing.
The clock is the machine's monotonic one, which all processes share.
"""

import itertools
import mmap
import os
import struct
import threading
import time
from pathlib import Path

RECORD = struct.Struct("<qd")
#: Number of marks that a process can make.
CAPACITY = 1 << 21
#: The directory of the journals, in the environment of the workers.
VARIABLE = "BENCHMARKS_JOURNAL"

#: A task's number, the monotonic second of its start, and the process that ran it.
Mark = tuple[int, float, int]


class Journal:
    """The marks of this process."""

    def __init__(self, path: Path) -> None:
        with path.open("x+b") as file:
            file.truncate(CAPACITY * RECORD.size)
            self._records = mmap.mmap(file.fileno(), 0)
        self._slots = itertools.count()  # Its `next` is atomic.

    def mark(self, number: int) -> None:
        RECORD.pack_into(self._records, next(self._slots) * RECORD.size, number, time.monotonic())


_journal: Journal | None = None
_lock = threading.Lock()


def mark(number: int) -> None:
    """Note that the task with this number, which is not 0, starts now."""
    (_journal or _opened()).mark(number)


def _opened() -> Journal:
    global _journal
    with _lock:
        if _journal is None:
            _journal = Journal(Path(os.environ[VARIABLE]) / str(os.getpid()))
        return _journal


def _forget() -> None:
    global _journal, _lock
    _journal, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


class Reader:
    """Reads the marks of workers from a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._offsets: dict[Path, int] = {}

    def read(self) -> list[Mark]:
        """Return the marks since the last call."""
        found: list[Mark] = []
        for path in self.directory.iterdir():
            offset = self._offsets.get(path, 0)
            with path.open("rb") as file:
                file.seek(offset)
                # The files are sparse and long, so it ends with the last mark.
                while chunk := file.read(1024 * RECORD.size):
                    size = len(chunk) // RECORD.size * RECORD.size
                    for number, at in RECORD.iter_unpack(chunk[:size]):
                        if not (number and at):
                            break
                        found.append((number, at, int(path.name)))
                        offset += RECORD.size
                    else:
                        continue
                    break
            self._offsets[path] = offset
        return found
