"""Rolling deploys, forth and back, of a version that names things differently."""

from tests.chaos.faults.act import Act
from tests.chaos.world import World


def deploy(world: World) -> None:
    """Restart one process with the other version of the code."""
    name = world.random.choice(sorted(world.versions))
    world.versions[name] = "A" if world.versions[name] == "B" else "B"
    world.note(f"deploy of version {world.versions[name]}", pid=world.terminate(name))


ACTS = (Act(fault="versions", weight=5, do=deploy),)
