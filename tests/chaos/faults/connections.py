"""Another program that takes every connection of PostgreSQL."""

import contextlib

import psycopg

from tests.chaos.database import MAX_CONNECTIONS, Cluster
from tests.chaos.faults.act import Act
from tests.chaos.world import World


def take_all(world: World) -> None:
    assert isinstance(world.database, Cluster)
    taken = contextlib.ExitStack()
    with contextlib.suppress(psycopg.OperationalError):
        for _ in range(MAX_CONNECTIONS):
            taken.callback(world.database.connect().close)
    world.lasting("connections at the limit", world.random.uniform(1, 4), taken.close)


ACTS = (Act(fault="connection-limit", weight=3, do=take_all, databases=("postgresql",)),)
