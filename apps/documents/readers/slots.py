"""Slots of a machine: processes that handle strangers' files at once, bounded by its memory.

A slot is a locked file in a folder of the system's temporary files. All processes of a user share them, and the system
unlocks those of a process that dies.
"""

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from apps.documents.readers.errors import ReadersBusyError

#: Seconds between two looks for a free slot.
LOOK_SECONDS = 0.1
#: Part of the machine's memory that readers may take.
MEMORY_SHARE = 0.5
#: Files that limit the memory of a container: of control groups in their second version and in their first.
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def count(*, memory_bytes: int) -> int:
    """Return the number of processes that the machine has memory for, at least 1.

    Parameters:
      memory_bytes: Memory that one of them may take.
    """
    return max(1, int(MEMORY_SHARE * machine_bytes() / memory_bytes))


def machine_bytes() -> int:
    """Return the memory of this machine, or of this container."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # There is none, or it says "max".
            sizes.append(int(path.read_text()))
    return min(sizes)


@contextmanager
def held(kind: str, *, number: int, wait_seconds: float, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold one of the machine's slots.

    Parameters:
      kind: Each kind has slots of its own, so that none waits for another kind.
      number: Number of slots of this kind.
      wait_seconds: Seconds to wait for one.
      on_wait: Called once, before waiting.

    Raises:
      ReadersBusyError: None became free in time.
    """
    until = time.monotonic() + wait_seconds
    waits = False
    while (slot := _taken(kind, number)) is None:
        if time.monotonic() >= until:
            raise ReadersBusyError
        if not waits:
            waits = True
            on_wait()
        time.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        # Not by closing alone: a process that was forked meanwhile has the file open, too.
        fcntl.flock(slot, fcntl.LOCK_UN)
        os.close(slot)


def _taken(kind: str, number: int) -> int | None:
    """Lock a free slot and return its file. None: all are taken."""
    folder = _folder()
    for index in range(number):
        slot = os.open(folder / f"{kind}-{index}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(slot)
        except BaseException:
            os.close(slot)
            raise
        else:
            return slot
    return None


def _folder() -> Path:
    """Return the folder of the slots, which is this user's alone.

    Raises:
      PermissionError: Another user made it first.
    """
    folder = Path(tempfile.gettempdir()) / f"aiwriting-readers-{os.geteuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(
            f"{folder} is not a folder of this user alone. Remove it, or set TMPDIR to another folder."
        )
    return folder
