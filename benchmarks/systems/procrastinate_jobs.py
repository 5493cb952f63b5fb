"""procrastinate on PostgreSQL with psycopg: a row a job, written by its sender and its worker."""

import asyncio
import os
from collections.abc import Iterable
from functools import cache
from typing import Any

import procrastinate
import psycopg

from benchmarks.rig.journal import mark

URL = os.environ["DATABASE_URL"]
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL))


@app.task(name="noop")
async def noop(number: int) -> None:
    mark(number)


@app.task(name="rest")
async def rest(number: int, seconds: float) -> None:
    mark(number)
    await asyncio.sleep(seconds)


TASKS: dict[str, Any] = {"noop": noop, "rest": rest}
#: Names of the arguments, which procrastinate wants.
NAMES = ("number", "seconds")


# --- The sender ---


@cache
def link() -> psycopg.Connection[Any]:
    return psycopg.connect(URL, autocommit=True)


def prepare() -> None:
    app.open()
    app.schema_manager.apply_schema()


def send(task: str, *arguments: Any) -> None:
    TASKS[task].defer(**_named(*arguments))


def send_many(task: str, numbers: Iterable[int], *arguments: Any) -> None:
    TASKS[task].batch_defer(*(_named(number, *arguments) for number in numbers))


def _named(*arguments: Any) -> dict[str, Any]:
    return dict(zip(NAMES, arguments, strict=False))


def states() -> dict[str, int]:
    return dict(link().execute("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1").fetchall())


def is_done(count: int) -> bool:
    return states().get("succeeded", 0) >= count


def clear() -> None:
    link().execute("TRUNCATE procrastinate_jobs CASCADE")
