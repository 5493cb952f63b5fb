"""The web process of one system, while a benchmark asks it."""

import contextlib
import socket
import sys
from collections.abc import Iterator

import psutil

from benchmarks.rig.system import System
from benchmarks.rig.workers import Workers
from tests.waiting import wait_until


@contextlib.contextmanager
def web(system: System) -> Iterator[tuple[int, psutil.Process]]:
    """Run the site. Yield its port on this machine and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = (
        sys.executable, "-m", "uvicorn", "aiWriting.asgi:application", "--port", str(port), "--log-level", "warning",
        "--http", "aiWriting.gate.connection:Connection", "--ws", "none", "--no-proxy-headers",
    )  # fmt: skip
    site = Workers(
        [command], env=system.env, journal=system.directory, log=system.directory / "web.log", watchdog=system.watchdog
    )
    try:
        wait_until(lambda: _is_open(port))
        yield port, psutil.Process(site.pids[0])
    finally:
        site.stop()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
