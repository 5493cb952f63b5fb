"""Worker processes that are replaced after a few tasks."""

from tests.chaos.faults.act import Act
from tests.chaos.world import WORKERS, World


def change_limit(world: World) -> None:
    """Restart the workers of one host with another number of tasks. 0: they are not recycled."""
    name = world.random.choice(WORKERS)
    world.max_tasks[name] = world.random.choice((0, 20, 100, 400))
    world.note(f"workers recycle after {world.max_tasks[name]} tasks", pid=world.terminate(name))


ACTS = (Act(fault="recycling", weight=4, do=change_limit),)
