"""Requests to the kernel that Python has no function for. They are Linux's."""

import ctypes
import signal
import sys

IS_LINUX = sys.platform == "linux"

#: Numbers of prctl(2).
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36

_libc = ctypes.CDLL(None, use_errno=True) if IS_LINUX else None


def adopt_orphans() -> None:
    """Become the parent of each descendant whose own parent ends."""
    if _libc is not None:
        _libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    if _libc is not None:
        _libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def not_held() -> list[str]:
    """Return what isolation does not hold on this system."""
    if IS_LINUX:
        return []
    return [
        "processes that a task starts are ended only if they stay in its process group",
        "a child outlives a keeper that was killed",
        "memory is watched, and has no limit of the kernel's",
    ]
