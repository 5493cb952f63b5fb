"""The servers of a run: those of the tests, but as durable as in production."""

import os
import time
from dataclasses import replace
from pathlib import Path

import psycopg

from tests.servers import Postgres, Servers
from workers.supervision.supervisor import Child

#: PostgreSQL's own defaults. The tests switch off the safety against power failures.
PRODUCTION = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
#: Databases of Valkey, one for each system of a run. By default it has 16.
REDIS_DATABASES = 32


class DurablePostgres(Postgres):
    """PostgreSQL 18 whose commits are on the disk when they return."""

    @property
    def child(self) -> Child:
        child = super().child
        # The last value of an option counts.
        return replace(child, argv=(*child.argv, *(word for pair in PRODUCTION.items() for word in _option(*pair))))

    def create_database(self, name: str) -> str:
        """Make a database and return its URL."""
        with psycopg.connect(host=str(self.directory), user="postgres", dbname="postgres", autocommit=True) as link:
            link.execute(f'CREATE DATABASE "{name}"')
        return self.url.replace("/aiwriting?", f"/{name}?")


class DurableServers(Servers):
    """Valkey, and optionally PostgreSQL, private to this run."""

    postgres: DurablePostgres | None

    def __init__(self, *, postgres: bool) -> None:
        super().__init__(database="sqlite", redis_server="embedded")
        assert self.redis is not None
        with self.redis.config_path.open("a") as config:
            config.write(f"databases {REDIS_DATABASES}\n")
        if postgres:
            self.postgres = DurablePostgres()
            self.database_url = self.postgres.url

    def pids(self) -> list[int]:
        return [process.pid for _, process in self.launched]


def _option(name: str, value: str) -> tuple[str, str]:
    return "-c", f"{name}={value}"


def fsync_ms(directory: Path, *, times: int = 50) -> float:
    """Return the milliseconds of an fsync of 8 kB. No commit is faster."""
    taken = []
    with (directory / "fsync").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 8192)
            began = time.monotonic()
            os.fsync(file.fileno())
            taken.append(time.monotonic() - began)
    return sorted(taken)[times // 2] * 1000
