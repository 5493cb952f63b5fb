"""Reaping of the orphans that a container's first process inherits."""

import os
from collections.abc import Container
from contextlib import suppress


def reap(own: Container[int]) -> int:
    """Reap the zombies that have become children of this process, as the first of a container. Return their number.

    Without it each orphan that ends stays in the process table for as long as the container runs.

    Parameters:
      own: Pids of children that others wait for. Their exit codes are left to them.
    """
    reaped = 0
    with suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in own:
                break  # Reaped by its own waiter in a moment. The next look finds what is behind it.
            os.waitpid(found.si_pid, os.WNOHANG)
            reaped += 1
    return reaped
