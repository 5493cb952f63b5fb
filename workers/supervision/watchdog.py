"""Ends the children of a dead supervisor, whatever it died of.

`kill -9` and the out-of-memory killer leave a supervisor no time to stop its children, which would live on as orphans.
It therefore starts this file as one more, tiny process that holds the reading end of a pipe. The kernel closes the
other end when the supervisor dies, and the watchdog then stops the children.

Why not the alternatives: Linux's parent-death signal is tied to the *thread* that forked and does not exist on
macOS; a parent watch inside each child needs a wrapper around every program that is not ours (Valkey, PostgreSQL).

This file is run by path, isolated and without site-packages: it imports the standard library alone.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

POLL_SECONDS = 0.05


class Watchdog:
    """The supervisor's side: it names the processes that must not outlive the caller.

    Each must lead a process group of its own (`start_new_session=True`). A watchdog that dies is replaced.

    Parameters:
      keep_open: File descriptors that stay open until the last process is gone, such as that of a lock.
    """

    def __init__(self, *, keep_open: Sequence[int] = ()) -> None:
        self._keep_open = keep_open
        self._held: dict[int, str] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._process, self._pipe = self._start()
        threading.Thread(target=self._keep, name="watchdog", daemon=True).start()

    @property
    def pid(self) -> int:
        """Pid of the process that watches."""
        return self._process.pid

    def hold(self, pid: int, *, stop_signal: int, stop_order: int, grace_seconds: float) -> None:
        """End `pid` when the caller is gone: lower orders first, its process group with SIGKILL after the grace."""
        with self._lock:
            self._held[pid] = f"hold {pid} {int(stop_signal)} {stop_order} {grace_seconds}\n"
            self._tell(self._held[pid])

    def release(self, pid: int) -> None:
        """Forget `pid`: it has ended."""
        with self._lock:
            if self._held.pop(pid, None):
                self._tell(f"release {pid}\n")

    def close(self) -> None:
        """Let the watchdog end. It first ends the processes that it still holds."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._pipe)
        self._process.wait()

    def _start(self) -> tuple["subprocess.Popen[bytes]", int]:
        """Start a watchdog and return it with the writing end of its pipe. The pipe names all held processes by then.

        A caller killed between the start and the naming would leave a watchdog that knows none. The lines wait in the
        pipe, which has room for some hundreds at least.
        """
        reading, writing = os.pipe()
        try:
            os.write(writing, "".join(self._held.values()).encode())
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=self._keep_open,
                start_new_session=True,
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        return process, writing

    def _keep(self) -> None:
        while True:
            self._process.wait()
            with self._lock:
                if self._closed:
                    return
                with contextlib.suppress(OSError):  # No process can be started just now: tried again below.
                    process, pipe = self._start()
                    os.close(self._pipe)
                    self._process, self._pipe = process, pipe
            time.sleep(POLL_SECONDS)

    def _tell(self, line: str) -> None:
        if self._closed:
            return
        with contextlib.suppress(OSError):  # Just dead: its successor gets all lines.
            os.write(self._pipe, line.encode())


def leads_its_group(pid: int) -> bool:
    """Return whether the process lives and leads a group of its own: it is the one that was held."""
    try:
        return os.getpgid(pid) == pid
    except OSError:
        return False


def kill_group(pid: int) -> None:
    """Send SIGKILL to the group that `pid` leads or led."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def end(held: dict[int, tuple[int, int, float]]) -> None:
    """Stop `{pid: (signal, order, grace in seconds)}`, order by order. Return when each is gone or killed."""
    for wanted in sorted({order for _, order, _ in held.values()}):
        began = time.monotonic()
        left = {}
        for pid, (signum, order, grace_seconds) in held.items():
            if order == wanted and leads_its_group(pid):
                left[pid] = began + grace_seconds
                with contextlib.suppress(OSError):
                    os.kill(pid, signum)
        while left:
            for pid, deadline in list(left.items()):
                if not leads_its_group(pid) or time.monotonic() > deadline:
                    kill_group(pid)  # Its orphans go with it.
                    del left[pid]
            time.sleep(POLL_SECONDS)


def told(lines: Iterator[str]) -> dict[int, tuple[int, int, float]]:
    """Read `hold` and `release` lines to the end of the pipe. Return the processes that are still held."""
    held: dict[int, tuple[int, int, float]] = {}
    for line in lines:
        match line.split():
            case ["hold", pid, signum, order, grace_seconds]:
                held[int(pid)] = (int(signum), int(order), float(grace_seconds))
            case ["release", pid]:
                held.pop(int(pid), None)
    return held


def main() -> None:
    # Platforms that stop a machine signal every process. The watchdog goes by the pipe alone.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    end(told(iter(sys.stdin.readline, "")))


if __name__ == "__main__":
    main()
