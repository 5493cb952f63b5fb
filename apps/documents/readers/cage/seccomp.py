"""Seccomp: the system calls that the process may make. All others fail with EPERM."""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterator, Sequence

from apps.documents.readers.cage import kernel
from apps.documents.readers.cage.kernel import Architecture

#: Calls that work on memory, on the process itself, or on files that are open already, and those that look at files.
ALLOWED = (
    "read", "readv", "pread64", "write", "writev", "lseek", "close", "fstat", "stat", "lstat", "newfstatat", "statx",
    "access", "faccessat", "faccessat2", "getdents64", "getcwd", "mmap", "munmap", "mremap", "mprotect", "madvise",
    "brk", "futex", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrandom",
    "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "getcpu", "sched_yield",
    "sched_getaffinity", "uname", "sysinfo", "exit", "exit_group",
)  # fmt: skip

#: Flags of `open` that do more than read. `O_TMPFILE` needs one of them.
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Operations on an open file that Python makes when it opens one. Others send signals, or inject input.
FILE_CONTROLS = (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)
#: TCGETS, FIONCLEX, FIOCLEX. Python asks with the first whether a file is a terminal.
DEVICE_CONTROLS = (0x5401, 0x5450, 0x5451)

_SET_MODE_FILTER = 1
_ALL_THREADS = 1

# Actions.
KILL_PROCESS = 0x80000000
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM

# Instructions of the classic Berkeley packet filter: load a word of the call, return, and jumps.
LOAD, RETURN = 0x20, 0x06
EQUAL, AT_LEAST, ANY_BIT = 0x15, 0x35, 0x45
#: An instruction: code, jump if true, jump if false, operand.
Instruction = tuple[int, int, int, int]

#: Places of the words of a call: its number, its architecture, and its six arguments of two words each.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
#: Calls of x32, which share the architecture of x86_64, have numbers from here on.
_X32 = 0x40000000


def is_supported() -> bool:
    """Return whether the kernel filters system calls, on an architecture whose calls are known."""
    known = kernel.architecture()
    if known is None:
        return False
    try:
        kernel.call(known.calls["seccomp"], _SET_MODE_FILTER, _ALL_THREADS, None)
    except OSError as error:
        # It looked for the filter, and there was none.
        return error.errno == errno.EFAULT
    return False


def restrict() -> None:
    """Let this process make the allowed calls, and no others.

    Raises:
      OSError: The kernel cannot.
    """
    known = kernel.architecture()
    if known is None:
        raise OSError(errno.ENOSYS, "The numbers of this machine's system calls are not known.")
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program(known, pid=os.getpid()))
    instructions = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    filtered = Program(len(code) // 8, ctypes.addressof(instructions))
    kernel.call(known.calls["seccomp"], _SET_MODE_FILTER, _ALL_THREADS, filtered)


def program(known: Architecture, *, pid: int) -> Sequence[Instruction]:
    """Return the filter.

    Parameters:
      pid: Pid of this process, the only one that it may send signals to, such as that of `abort`.
    """
    calls = known.calls
    return [
        (LOAD, 0, 0, _ARCHITECTURE),
        (EQUAL, 1, 0, known.audit),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, _NUMBER),
        (AT_LEAST, 0, 1, _X32),
        (RETURN, 0, 0, KILL_PROCESS),
        *(one for name in ALLOWED if name in calls for one in _if_called(calls[name], [(RETURN, 0, 0, ALLOW)])),
        *_if_called(calls["kill"], _if_equal(0, [pid])),
        *_if_called(calls["tgkill"], _if_equal(0, [pid])),
        *(_if_called(calls["open"], _unless_writing(1)) if "open" in calls else ()),
        *_if_called(calls["openat"], _unless_writing(2)),
        *_if_called(calls["fcntl"], _if_equal(1, FILE_CONTROLS)),
        *_if_called(calls["ioctl"], _if_equal(1, DEVICE_CONTROLS)),
        *_if_called(calls["prlimit64"], _if_own_limit_is_read()),
        (RETURN, 0, 0, REFUSE),
    ]


def _if_called(number: int, then: Sequence[Instruction]) -> Iterator[Instruction]:
    """Yield instructions that run `then`, which returns, if the call has this number."""
    yield (EQUAL, 0, len(then), number)
    yield from then


def _word(argument: int, *, high: bool = False) -> Instruction:
    """Load a half of an argument. Both architectures are little-endian."""
    return (LOAD, 0, 0, _ARGUMENTS + 8 * argument + 4 * high)


def _if_equal(argument: int, values: Sequence[int]) -> Sequence[Instruction]:
    """Allow the call if its argument, an `int` in C, is one of these."""
    allowed = [one for value in values for one in ((EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW))]
    return [_word(argument), *allowed, (RETURN, 0, 0, REFUSE)]


def _unless_writing(argument: int) -> Sequence[Instruction]:
    return [_word(argument), (ANY_BIT, 0, 1, WRITING), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]


def _if_own_limit_is_read() -> Sequence[Instruction]:
    """Allow `prlimit64` of this process (pid 0), without a new limit (a null pointer)."""
    words = [_word(0), _word(2), _word(2, high=True)]
    zeros = [one for word in words for one in (word, (EQUAL, 1, 0, 0), (RETURN, 0, 0, REFUSE))]
    return [*zeros, (RETURN, 0, 0, ALLOW)]
