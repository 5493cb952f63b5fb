"""What processes cost."""

import contextlib
from collections.abc import Iterable

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """The process and all that come from it, as far as they live."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def seconds_of(pids: Iterable[int]) -> float:
    """The processor time, user and system, that these and all their descendants have used, in seconds.

    Those that ended are in the times of the parents that reaped them.
    """
    total = 0.0
    for process in {found.pid: found for pid in pids for found in tree(pid)}.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_bytes(process: psutil.Process) -> int:
    """Its memory; 0 once it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0
