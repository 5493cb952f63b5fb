"""Who a process is: what makes a host a host, and a process this process."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A process on a host.

    Parameters:
      host: Boot id and pid namespace. Two containers may share a name, and a restarted host keeps its own.
      started: When the process began, as the system tells it: a later process may get the same pid.
    """

    host: str
    hostname: str
    pid: int
    started: str


def of_this_process() -> Identity:
    pid = os.getpid()
    return Identity(host=host(), hostname=socket.gethostname(), pid=pid, started=started(pid) or "")


def host() -> str:
    """What tells this host from others. `WORKER_HOST` overrides it."""
    if named := os.environ.get("WORKER_HOST", "").strip():
        return named
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()}:{psutil.boot_time():.0f}"


def started(pid: int) -> str | None:
    """When a process of this host began; None where there is none.

    On Linux in ticks since the boot: the time of day changes when somebody sets the clock, and every living process
    would be taken for another one.
    """
    try:
        # The name, in brackets, may hold anything; after it the start is the twentieth word.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def is_running(pid: int, process_started: str) -> bool:
    """Whether this very process can run: neither gone, nor a zombie."""
    try:
        return started(pid) == process_started and psutil.Process(pid).status() not in GONE
    except psutil.Error:
        return False


def is_stopped(pid: int) -> bool:
    """Whether the process is frozen, as by SIGSTOP."""
    try:
        return bool(psutil.Process(pid).status() in FROZEN)
    except psutil.Error:
        return False


GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
FROZEN = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
