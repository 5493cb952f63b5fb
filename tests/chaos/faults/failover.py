"""Failovers: of PostgreSQL to a synchronous standby, of Redis to a replica that lacks the last writes."""

import time

from tests.chaos.database import Cluster
from tests.chaos.faults.act import Act
from tests.chaos.world import World


def fail_over_postgres(world: World) -> None:
    assert isinstance(world.database, Cluster)
    if pid := world.database.fail_over():
        world.note("failover of PostgreSQL", pid=pid)


def fail_over_redis(world: World) -> None:
    """Promote the replica, let the old primary go on for a while, then switch.

    The old one follows the new one, and its connections stay open.
    """
    began = time.monotonic()
    port = world.redis.promote()
    time.sleep(world.random.uniform(0, 1.5))
    world.proxies["redis"].retarget(port)
    world.redis.demote()
    world.note("failover of Redis, with loss", since=began)


ACTS = (
    Act(fault="postgresql-failover", weight=5, do=fail_over_postgres, databases=("postgresql",)),
    Act(fault="redis-failover", weight=4, do=fail_over_redis),
)
