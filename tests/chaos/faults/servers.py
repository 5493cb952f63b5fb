"""Servers that end and come back, with or without their data."""

import signal

from tests.chaos.database import Cluster
from tests.chaos.faults.act import Act
from tests.chaos.world import World


def flush_redis(world: World) -> None:
    with world.redis.client() as client:
        client.flushall()
    world.note("FLUSHALL")


def kill_redis(world: World) -> None:
    world.note("kill -9 redis, data kept", pid=world.redis.kill())


def wipe_redis(world: World) -> None:
    pid = world.redis.kill()
    world.redis.delete_files()
    world.note("kill -9 redis, data lost", pid=pid)


def restart_postgres(world: World) -> None:
    """Restart PostgreSQL like a crash, with recovery, or like an administrator."""
    assert isinstance(world.database, Cluster)
    pid = world.database.restart(world.random.choice([signal.SIGQUIT, signal.SIGINT]))
    world.note("restart of PostgreSQL", pid=pid)


ACTS = (
    Act(fault="restarts", weight=6, do=flush_redis),
    Act(fault="restarts", weight=4, do=kill_redis),
    Act(fault="restarts", weight=4, do=wipe_redis),
    Act(fault="restarts", weight=5, do=restart_postgres, databases=("postgresql",)),
)
