"""Faults, one module for each thing that fails. A fault has a name, by which it is switched on and off."""

from tests.chaos.faults import (
    clock,
    connections,
    disk,
    failover,
    network,
    pauses,
    processes,
    recycling,
    redis_data,
    servers,
    versions,
)
from tests.chaos.faults.act import Act
from tests.chaos.sends import KINDS

#: Everything that a storm can do to the world.
ACTS: tuple[Act, ...] = (
    *processes.ACTS,
    *recycling.ACTS,
    *servers.ACTS,
    *network.ACTS,
    *failover.ACTS,
    *redis_data.ACTS,
    *disk.ACTS,
    *clock.ACTS,
    *connections.ACTS,
    *versions.ACTS,
    *pauses.ACTS,
)
#: Names of all faults. Some are tasks that do odd things.
NAMES = tuple(dict.fromkeys([*(act.fault for act in ACTS), *(kind.fault for kind in KINDS if kind.fault)]))
#: Those of a short storm: none of them needs more than a few seconds.
SHORT = (
    "kills", "recycling", "restarts", "cut-connections", "redis-failover", "redis-parts", "versions", "pauses",
    "follow-ups", "odd-errors", "exits", "async", "left-atomic", "owners", "django-tasks",
)  # fmt: skip

__all__ = ["ACTS", "NAMES", "SHORT", "Act"]
