"""A full disk under the database."""

import contextlib

import psycopg

from tests.chaos.database import Cluster
from tests.chaos.faults.act import Act
from tests.chaos.world import World

#: Files of the write-ahead log that are used up on a full disk.
WAL_FILES = 14


def fill(world: World) -> None:
    database = world.database
    disk = database.primary.disk if isinstance(database, Cluster) else database.disk
    assert disk is not None
    disk.fill()
    if isinstance(database, Cluster) and world.random.random() < 0.5:
        # Its next files are there already, and it reuses them. When they are used up it stops by itself.
        with contextlib.suppress(psycopg.Error), database.connect() as link:
            link.execute("SET statement_timeout = 2000")
            for _ in range(WAL_FILES):
                link.execute("SELECT pg_logical_emit_message(false, 'storm', 'x'), pg_switch_wal()")
    world.lasting("disk full", world.random.uniform(0.5, 3), disk.free)


ACTS = (Act(fault="disk-full", weight=4, do=fill),)
