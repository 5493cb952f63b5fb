"""A full disk under the database."""

from tests.chaos.database import Cluster
from tests.chaos.faults.act import Act
from tests.chaos.world import World


def fill(world: World) -> None:
    database = world.database
    disk = database.primary.disk if isinstance(database, Cluster) else database.disk
    assert disk is not None
    disk.fill()
    world.lasting("disk full", world.random.uniform(0.5, 3), disk.free)


ACTS = (Act(fault="disk-full", weight=4, do=fill),)
