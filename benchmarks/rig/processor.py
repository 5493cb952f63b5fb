"""Processor time and memory of processes."""

import contextlib
from collections.abc import Iterable

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """Return the process and its descendants, if they live."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def seconds_of(pids: Iterable[int]) -> float:
    """Return the user and system seconds that these processes and their descendants have used.

    The time of a process that ended is in that of its parent.
    """
    total = 0.0
    for process in {found.pid: found for pid in pids for found in tree(pid)}.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_bytes(process: psutil.Process) -> int:
    """Return the memory of the process. 0: it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0
