"""Calls of Linux that Python has no function for."""

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

#: These have the same numbers on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Numbers that differ from one architecture to the other.

    Parameters:
      audit: How seccomp names the architecture.
      calls: Numbers of the system calls that the cage makes or lets through. A call that it does not have is missing.
    """

    audit: int
    calls: dict[str, int]


#: From Linux's `arch/x86/entry/syscalls/syscall_64.tbl`.
X86_64 = Architecture(
    audit=0xC000003E,
    calls={
        "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "mmap": 9,
        "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
        "ioctl": 16, "pread64": 17, "readv": 19, "writev": 20, "access": 21, "sched_yield": 24, "mremap": 25,
        "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60, "kill": 62, "uname": 63, "fcntl": 72, "getcwd": 79,
        "gettimeofday": 96, "getrusage": 98, "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104,
        "geteuid": 107, "getegid": 108, "capset": 126, "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202,
        "sched_getaffinity": 204, "getdents64": 217, "restart_syscall": 219, "clock_gettime": 228,
        "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "tgkill": 234, "openat": 257,
        "newfstatat": 262, "faccessat": 269, "prlimit64": 302, "getcpu": 309, "seccomp": 317, "getrandom": 318,
        "statx": 332, "rseq": 334, "faccessat2": 439,
    },
)  # fmt: skip
#: From Linux's `include/uapi/asm-generic/unistd.h`.
AARCH64 = Architecture(
    audit=0xC00000B7,
    calls={
        "getcwd": 17, "fcntl": 25, "ioctl": 29, "faccessat": 48, "openat": 56, "close": 57, "getdents64": 61,
        "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67, "newfstatat": 79, "fstat": 80,
        "capset": 91, "exit": 93, "exit_group": 94, "futex": 98, "nanosleep": 101, "clock_gettime": 113,
        "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124,
        "restart_syscall": 128, "kill": 129, "tgkill": 131, "sigaltstack": 132, "rt_sigaction": 134,
        "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153, "uname": 160, "getrusage": 165, "getcpu": 168,
        "gettimeofday": 169, "getpid": 172, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177,
        "gettid": 178, "sysinfo": 179, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226,
        "madvise": 233, "prlimit64": 261, "seccomp": 277, "getrandom": 278, "statx": 291, "rseq": 293,
        "faccessat2": 439,
    },
)  # fmt: skip
ARCHITECTURES = {"x86_64": X86_64, "aarch64": AARCH64}


def architecture() -> Architecture | None:
    """Return the numbers of this machine. None: this is not Linux, or another architecture."""
    # A 32-bit interpreter makes other calls than its 64-bit kernel's table has.
    known = sys.platform == "linux" and sys.maxsize > 2**32
    return ARCHITECTURES.get(os.uname().machine) if known else None


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: "int | ctypes.Structure | ctypes.Array[Any] | None") -> int:
    """Make a system call. Structures and arrays are passed by their address.

    Raises:
      OSError: The kernel refuses it.
    """
    words = [ctypes.c_long(one) if isinstance(one, int) else one and ctypes.byref(one) for one in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *words))


def prctl(option: int, value: int) -> None:
    """Set an option of this process.

    Raises:
      OSError: The kernel refuses it.
    """
    _checked(_libc().prctl(option, *(ctypes.c_ulong(word) for word in (value, 0, 0, 0))))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
