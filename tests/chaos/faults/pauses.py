"""Operators who pause a queue or an actor and resume it, while other things fail."""

import sqlite3
from contextlib import closing

import psycopg

from tests.chaos.database import Cluster
from tests.chaos.faults.act import Act
from tests.chaos.world import World

#: What is paused: the queue of most tasks, and actors with and without a limit.
PAUSED = (("queue", "chaos"), ("actor", "chaos.work"), ("actor", "chaos.commit"), ("actor", "chaos.limited"))


def pause(world: World) -> None:
    kind, name = world.random.choice(PAUSED)
    write(
        world,
        f"INSERT INTO tasks_pause (kind, name, since, by, why) VALUES ('{kind}', '{name}', CURRENT_TIMESTAMP, '', '') "
        "ON CONFLICT (kind, name) DO NOTHING",
    )
    resume = f"DELETE FROM tasks_pause WHERE kind = '{kind}' AND name = '{name}'"
    world.lasting(f"pause of {kind} {name}", world.random.uniform(1, 4), lambda: write(world, resume))


def write(world: World, statement: str) -> None:
    """Run a statement. Raises: RuntimeError: The database is away by another fault."""
    try:
        if isinstance(world.database, Cluster):
            with world.database.connect() as link:
                link.execute(statement)
        else:
            with closing(sqlite3.connect(world.database.path, timeout=5)) as file, file:
                file.execute(statement)
    except (psycopg.Error, sqlite3.Error) as error:
        raise RuntimeError(str(error)) from error


ACTS = (Act(fault="pauses", weight=6, do=pause),)
