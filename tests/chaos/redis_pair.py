"""Redis with a replica. The storm fails over between the two."""

import contextlib
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.embedded import secret_file
from workers.embedded.server import HOST, EmbeddedServer, prepare
from workers.supervision.supervisor import Child


class RedisPair:
    """Two servers with one password: `servers[0]` is the primary, the other one, if wanted, its replica.

    Parameters:
      launch: Starts a child.
    """

    def __init__(
        self, directory: Path, *, launch: "Callable[[Child], subprocess.Popen[bytes]]", has_replica: bool
    ) -> None:
        self.launch = launch
        self.password = secrets.token_urlsafe()
        self.servers: list[EmbeddedServer] = []
        for number in range(2 if has_replica else 1):
            place = directory / f"valkey-{number}"
            place.mkdir(mode=0o700, parents=True)
            secret_file.read_or_make(place / "password", make=lambda: self.password)
            self.servers.append(prepare(place))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def primary(self) -> EmbeddedServer:
        return self.servers[0]

    def url(self, port: int) -> str:
        return f"redis://:{self.password}@{HOST}:{port}/0"

    def client(self, server: EmbeddedServer | None = None) -> Any:
        return redis.Redis.from_url(
            (server or self.primary).url, socket_timeout=2, retry=Retry(NoBackoff(), 0), decode_responses=True
        )

    def start(self) -> None:
        """Start the servers that are down and let the replica follow."""
        for server in self.servers:
            process = self.processes.get(server.port)
            if process is None or process.poll() is not None:
                started = self.processes[server.port] = self.launch(server.child(name=f"valkey {server.port}"))
                server.wait_until_ready(alive=lambda started=started: started.poll() is None)  # type: ignore[misc]
        for replica in self.servers[1:]:
            with contextlib.suppress(redis.RedisError), self.client(replica) as client:
                client.config_set("masterauth", self.password)
                client.config_set("repl-diskless-sync-delay", "0")
                if client.info("replication").get("master_port") != self.primary.port:
                    client.replicaof(HOST, self.primary.port)

    def promote(self) -> int:
        """Let the replica be a primary with what it has. Return its port. The old primary goes on until `demote`."""
        with self.client(self.servers[1]) as client:
            client.replicaof("NO", "ONE")
        self.servers.reverse()
        return self.primary.port

    def demote(self) -> None:
        """Let the old primary follow the new one: it loses what it has, and its connections stay open."""
        with self.client(self.servers[1]) as client:
            client.config_set("masterauth", self.password)
            client.replicaof(HOST, self.primary.port)

    def kill(self) -> int:
        """Kill the primary."""
        process = self.processes[self.primary.port]
        process.kill()
        process.wait()
        return process.pid

    def delete_files(self) -> None:
        """Delete the files of the primary, which is not running."""
        for path in self.primary.directory.rglob("*.*"):
            if path.suffix in {".aof", ".rdb", ".manifest"}:
                path.unlink(missing_ok=True)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
