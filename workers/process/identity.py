"""Identity of a process and of its host."""

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
      started: Start of the process, in the system's terms. A later process may get the same pid.
    """

    host: str
    hostname: str
    pid: int
    started: str


def of_this_process() -> Identity:
    """Return the identity of this process."""
    pid = os.getpid()
    return Identity(host=host(), hostname=socket.gethostname(), pid=pid, started=started(pid) or "")


def host() -> str:
    """Return the identity of this host. `WORKER_HOST` in the environment overrides it."""
    if named := os.environ.get("WORKER_HOST", "").strip():
        return named
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()}:{psutil.boot_time():.0f}"


def started(pid: int) -> str | None:
    """Return the start of a process of this host. None: there is no such process.

    On Linux it is in ticks since the boot. The time of day changes when the clock is set, and every living process
    would be taken for another one.
    """
    try:
        # The name, in brackets, may hold any character. After it, the start is the twentieth word.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def is_running(pid: int, process_started: str) -> bool:
    """Return whether this very process can run: it is neither gone nor a zombie."""
    try:
        return started(pid) == process_started and psutil.Process(pid).status() not in GONE
    except psutil.Error:
        return False


def is_stopped(pid: int) -> bool:
    """Return whether the process is frozen, as by SIGSTOP."""
    try:
        return bool(psutil.Process(pid).status() in FROZEN)
    except psutil.Error:
        return False


GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
FROZEN = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
