"""Limits of a process that handles a stranger's file, its place behind other processes, and its ties to them."""

import ctypes
import logging
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from apps.documents.readers.cage import kernel

#: Bytes of a file that the process writes: its error output.
FILE_BYTES = 1024**2
OPEN_FILES = 64

#: Niceness of the process while it loads libraries, which takes the same time for any file, and while it works on the
#: file: while others compute, it gets about a third, and then a tenth, of what one of them gets.
LOADING_NICENESS, NICENESS = 5, 10
#: Linux shares processors among the groups of sessions first. Niceness counts within a group, and this one's is alone.
AUTOGROUP = Path("/proc/self/autogroup")
#: Attempts to write it, and seconds between two. Linux takes one change in 0.1 s of all users but root.
AUTOGROUP_ATTEMPTS, AUTOGROUP_PAUSE_SECONDS = 20, 0.06

_CAPABILITIES_VERSION = 0x20080522


def limit(*, processor_seconds: int, seconds: int, memory_bytes: int, parent: int) -> None:
    """Limit time and memory of the process, and end it with its parent. Call this before anything is loaded.

    It outlives the SIGTERM with which a machine stops, since its parent may have some seconds to end its tasks.

    Parameters:
      processor_seconds: Processor time after which SIGXCPU ends the process.
      seconds: Time after which the process ends itself. Its parent ends it before.
      parent: Pid of the process that waits for it.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        # The thread that started this process waits for it: Linux's signal comes at the end of that thread.
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    # macOS has no such signal.
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _set(resource.RLIMIT_CPU, processor_seconds, hard=seconds)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_DATA, memory_bytes)
    _set(resource.RLIMIT_NOFILE, OPEN_FILES)
    logging.disable()


def step_back(*, before: int = 0, niceness: int) -> None:
    """Let the processes that answer requests and run small tasks compute first.

    Parameters:
      before: Niceness by which the process has stepped back already.
    """
    os.nice(niceness - before)
    for _ in range(AUTOGROUP_ATTEMPTS):
        try:
            AUTOGROUP.write_text(str(niceness))
            return
        except BlockingIOError:
            time.sleep(AUTOGROUP_PAUSE_SECONDS)
        except OSError:  # The system has no such groups.
            return


def seal(*, memory_bytes: int) -> None:
    """Take away what only the loading of libraries needed."""
    _set(resource.RLIMIT_NPROC, 0)
    _set(resource.RLIMIT_FSIZE, FILE_BYTES)
    if sys.platform != "linux":
        return
    # Shared memory is no data. Libraries take addresses already, and the data may take as many again.
    _set(resource.RLIMIT_AS, _addresses_bytes() + memory_bytes)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    _drop_capabilities()


def thread_count() -> int:
    """Return the number of the process's threads, those of libraries in C included."""
    return len(os.listdir("/proc/self/task"))


def _set(kind: int, value: int, *, hard: int | None = None) -> None:
    with suppress(ValueError, OSError):  # The limit is lower already, or the system has none.
        resource.setrlimit(kind, (value, value if hard is None else hard))


def _addresses_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _drop_capabilities() -> None:
    """Give up the powers of root, which containers often run as."""
    known = kernel.architecture()
    if known is None:
        return
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    kernel.call(known.calls["capset"], header, none)
