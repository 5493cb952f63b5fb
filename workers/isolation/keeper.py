"""A keeper: the process that starts one child, watches its limits and ends all that it leaves behind.

It is a process of its own, so that nothing that other tasks do to the worker process holds it up.
"""

import os
import select
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from workers.isolation import child, kernel
from workers.isolation.family import Family
from workers.isolation.limits import Limits
from workers.isolation.message import Verdict

#: Seconds between two looks at the memory and the processor time of a task.
LOOK_SECONDS = 0.05
#: Seconds between two looks at whether the server lives, where the end of a child is an event.
REST_SECONDS = 0.5
#: Seconds between two looks at whether the child has ended, where that is no event.
POLL_SECONDS = 0.02
#: Seconds in which the processes of a task must be gone. One that waits for a broken disk cannot be killed.
END_SECONDS = 10.0


def keep(control: Connection, channel_fd: int) -> NoReturn:
    """Start a child and keep it until it ends. Does not return.

    Parameters:
      control: Brings the limits, and takes the verdict. Whatever else comes, also its end, ends the child.
      channel_fd: Socket between the worker process and the child.
    """
    server = os.getppid()
    kernel.adopt_orphans()
    limits: Limits = control.recv()
    pid = os.fork()
    if pid == 0:
        control.close()
        child.run(channel_fd)
    os.close(channel_fd)
    family = Family(pid)
    watch = Watch(family, limits)
    over = _wait(family, watch, control, server=server)
    family.end(timeout_seconds=END_SECONDS)
    status = family.status if family.status is not None else 0
    with suppress(OSError):
        control.send(Verdict(over, status, watch.peak_bytes, family.cpu_seconds()))
    os._exit(0)


class Watch:
    """The limits of a child, and what was seen of it."""

    def __init__(self, family: Family, limits: Limits) -> None:
        self.family = family
        self.limits = limits
        self.peak_bytes = 0
        self.deadline = None if limits.hard_ms is None else time.monotonic() + limits.hard_ms / 1000

    def over(self) -> str:
        """Return the limit that is exceeded, or nothing."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "time"
        if not self.limits.are_watched:
            return ""
        self.family.look()
        if (limit := self.limits.memory_bytes) is not None:
            # The size that counts takes long to find out, and is never larger than this one.
            seen = self.family.resident_bytes()
            if seen > limit:
                seen = self.family.memory_bytes()
            self.peak_bytes = max(self.peak_bytes, seen)
            if seen > limit:
                return "memory"
        if self.limits.cpu_seconds is not None and self.family.cpu_seconds() > self.limits.cpu_seconds:
            return "cpu"
        return ""

    @property
    def rest_seconds(self) -> float:
        """Seconds until the next look."""
        seconds = LOOK_SECONDS if self.limits.are_watched else REST_SECONDS
        if self.deadline is not None:
            seconds = min(seconds, self.deadline - time.monotonic())
        return max(seconds, 0.0)


def _wait(family: Family, watch: Watch, control: Connection, *, server: int) -> str:
    """Wait until the child has ended, or has to. Return the limit that it exceeded, or nothing."""
    events = select.poll()
    events.register(control.fileno(), select.POLLIN)
    longest = POLL_SECONDS
    # Linux alone has it, and a container may forbid it.
    with suppress(AttributeError, OSError):
        events.register(os.pidfd_open(family.pid), select.POLLIN)
        longest = REST_SECONDS
    while True:
        found = events.poll(min(watch.rest_seconds, longest) * 1000)
        family.reap()
        if family.status is not None or os.getppid() != server:
            return ""
        if any(fd == control.fileno() for fd, _ in found):
            return ""
        if over := watch.over():
            return over
