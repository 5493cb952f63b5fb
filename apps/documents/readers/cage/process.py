"""Limits of a process that handles a stranger's file, and its ties to other processes."""

import ctypes
import logging
import os
import resource
import signal
import sys
from contextlib import suppress

from apps.documents.readers.cage import kernel

#: Bytes of a file that the process writes: its error output.
FILE_BYTES = 1024**2
OPEN_FILES = 64

_CAPABILITIES_VERSION = 0x20080522


def limit(*, seconds: int, memory_bytes: int, parent: int) -> None:
    """Limit time and memory of the process, and end it with its parent. Call this before anything is loaded.

    It outlives the SIGTERM with which a machine stops, since its parent may have some seconds to end its tasks.

    Parameters:
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
    _set(resource.RLIMIT_CPU, seconds)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_DATA, memory_bytes)
    _set(resource.RLIMIT_NOFILE, OPEN_FILES)
    logging.disable()


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


def _set(kind: int, value: int) -> None:
    with suppress(ValueError, OSError):  # The limit is lower already, or the system has none.
        resource.setrlimit(kind, (value, value))


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
