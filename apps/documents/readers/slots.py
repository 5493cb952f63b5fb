"""Slots of a machine: processes that handle strangers' files at once, bounded by its memory and its processors.

A slot is a locked file in the system's folder for temporary files. All processes of a user share them, and the system
unlocks those of a process that dies.
"""

import errno
import fcntl
import logging
import math
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from apps.documents.readers.errors import ReadersBusyError

logger = logging.getLogger(__name__)

#: Seconds between two looks for a free slot.
LOOK_SECONDS = 0.05
#: Part of the machine's memory that readers may take.
MEMORY_SHARE = 0.5
#: Slots for each processor. A user may hold half of the slots: all processors, while no other user has work for them.
PER_PROCESSOR = 2
#: Files that limit the memory of a container: of control groups in their second version and in their first.
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
#: File with the processor time that a container gets in a period, and the period. Both are in microseconds.
CONTAINER_QUOTA = Path("/sys/fs/cgroup/cpu.max")

#: Files of other users that are passed over. All users may write to the folder.
FOREIGN_FILES = 1_000
#: Errors of opening what is no file of this user's: no right, a link, a folder, a pipe.
_FOREIGN = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENXIO})


def count(*, memory_bytes: int) -> int:
    """Return the number of processes that the machine has memory and processors for, at least 1.

    With more of them for each processor, all would take longer, and reach their time limits.

    Parameters:
      memory_bytes: Memory that one of them may take.
    """
    return max(1, min(int(MEMORY_SHARE * machine_bytes() / memory_bytes), PER_PROCESSOR * processors()))


def processors() -> int:
    """Return the number of processors of this machine, or of this container."""
    number = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # There is no limit, or it says "max".
        quota, period = CONTAINER_QUOTA.read_text().split()
        number = min(number, max(1, int(quota) // int(period)))
    return number


def machine_bytes() -> int:
    """Return the memory of this machine, or of this container."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # There is none, or it says "max".
            sizes.append(int(path.read_text()))
    return min(sizes)


#: The user whose work this context does. None: nobody's.
_user_id: ContextVar[int | None] = ContextVar("aiwriting_slots_user", default=None)


@contextmanager
def of_user(user_id: int | None) -> Iterator[None]:
    """Count the slots that this context takes to a user. None: to nobody."""
    token = _user_id.set(user_id)
    try:
        yield
    finally:
        _user_id.reset(token)


@contextmanager
def held(kind: str, *, number: int, wait_seconds: float, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold one of the machine's slots.

    A user holds half of them at most, and has no more than that in line for one. So the others find one free, or are
    among few that wait for the next one.

    Parameters:
      kind: Each kind has slots of its own, so that none waits for another kind.
      number: Number of slots of this kind.
      wait_seconds: Seconds to wait for one.
      on_wait: Called once, before waiting.

    Raises:
      ReadersBusyError: None became free in time, or files of other users leave no name for one.
    """
    needed = [(kind, number)]
    if (user_id := _user_id.get()) is not None:
        needed.insert(0, (f"{kind}-of-{user_id}", math.ceil(number / 2)))
    until = time.monotonic() + wait_seconds
    waits = False
    with ExitStack() as taken:
        while needed:
            if (slot := _taken(*needed[0])) is not None:
                taken.callback(slot.free)
                del needed[0]
                continue
            if time.monotonic() >= until:
                raise ReadersBusyError
            if not waits:
                waits = True
                on_wait()
            time.sleep(LOOK_SECONDS)
        yield


class _Slot:
    """The file of a slot. It is unlocked when it is closed, also by the garbage collector after an interruption."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open(path, "ab", buffering=0, opener=_open)  # noqa: SIM115

    def lock(self) -> bool:
        """Lock the file, or close it if it is locked or was removed meanwhile. Return whether it is locked."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(self.path), os.fstat(self.file.fileno())):
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        self.file.close()
        return False

    def free(self) -> None:
        self.path.unlink(missing_ok=True)
        # Not by closing alone: a process that was forked meanwhile has the file open, too.
        fcntl.flock(self.file, fcntl.LOCK_UN)
        self.file.close()


def _open(path: str, flags: int) -> int:
    """Open a file: no link is followed, and no pipe is waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _opened(path: Path) -> _Slot | None:
    """Open the file of a slot. None: another user has put something in its place."""
    try:
        slot = _Slot(path)
    except OSError as error:
        if error.errno in _FOREIGN:
            return None
        raise
    status = os.fstat(slot.file.fileno())
    if status.st_uid == os.geteuid() and stat.S_ISREG(status.st_mode):
        return slot
    slot.file.close()
    return None


def _taken(kind: str, number: int) -> _Slot | None:
    """Lock a free slot and return it. None: all are taken.

    Raises:
      ReadersBusyError: Files of other users leave no name for one.
    """
    folder = tempfile.gettempdir()
    own = foreign = 0
    while own < number:
        slot = _opened(Path(folder, f"aiwriting-{os.geteuid()}-{kind}-{own + foreign}"))
        if slot is None:
            foreign += 1
        elif slot.lock():
            return slot
        else:
            own += 1
        if foreign > FOREIGN_FILES:
            logger.error("reader slots cannot be made folder=%s", folder)
            raise ReadersBusyError
    return None
