"""pgqueuer on PostgreSQL: a row a job, which its log has when it ends. Bodies are coroutines, or run in threads."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

import asyncpg
import psycopg
import uvloop
from pgqueuer import PgQueuer, run
from pgqueuer.db import AsyncpgDriver, SyncPsycopgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries, SyncQueries

from benchmarks.rig.journal import mark

URL = os.environ["DATABASE_URL"]


def noop(number: int) -> None:
    mark(number)


def rest(number: int, seconds: float) -> None:
    mark(number)
    time.sleep(seconds)


# --- The worker ---


@asynccontextmanager
async def worker(threads: int) -> AsyncIterator[PgQueuer]:
    # By default the loop has a thread for each processor and four more.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
    connection = await asyncpg.connect(URL)
    jobs = PgQueuer.from_asyncpg_connection(connection)

    @jobs.entrypoint("noop_async")
    async def noop_async(job: Job) -> None:
        mark(*_arguments(job))

    for function in (noop, rest):
        jobs.entrypoint(function.__name__)(_in_thread(function))
    try:
        yield jobs
    finally:
        await connection.close()


def _in_thread(function: Callable[..., None]) -> Callable[[Job], Any]:
    async def run_in_thread(job: Job) -> None:
        await asyncio.to_thread(function, *_arguments(job))

    return run_in_thread


def _arguments(job: Job) -> Any:
    return json.loads(job.payload or b"[]")


# --- The sender ---


def prepare() -> None:
    async def install() -> None:
        connection = await asyncpg.connect(URL)
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        await queries.optimize_autovacuum()
        await connection.close()

    asyncio.run(install())


@cache
def link() -> psycopg.Connection[Any]:
    return psycopg.connect(URL, autocommit=True)


@cache
def sender() -> SyncQueries:
    return SyncQueries(SyncPsycopgDriver(link()))


def send(task: str, number: int, *arguments: Any) -> None:
    sender().enqueue(task, _payload(number, *arguments))


def send_many(task: str, numbers: Iterable[int], *arguments: Any) -> None:
    payloads: list[bytes | None] = [_payload(number, *arguments) for number in numbers]
    sender().enqueue([task] * len(payloads), payloads, [0] * len(payloads))


def _payload(*arguments: Any) -> bytes:
    return json.dumps(arguments).encode()


def states() -> dict[str, int]:
    # The log has a row for the send of each job, too.
    found = link().execute(
        "SELECT status::text, count(*) FROM pgqueuer GROUP BY 1 UNION ALL "
        "SELECT status::text, count(*) FROM pgqueuer_log WHERE status NOT IN ('queued', 'picked') GROUP BY 1"
    )
    return dict(found.fetchall())


def is_done(count: int) -> bool:
    return states().get("successful", 0) >= count


def clear() -> None:
    link().execute("TRUNCATE pgqueuer, pgqueuer_log, pgqueuer_statistics")


if __name__ == "__main__":
    # As `pgq run --batch-size 100` does. That command itself fails with typer 0.29.
    uvloop.run(run(partial(worker, int(sys.argv[1])), batch_size=100))
