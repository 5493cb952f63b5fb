"""Steps of the wall clock: of one host, or of all processes where SQLite is the database, whose clock is theirs."""

from tests.chaos.faults.act import Act
from tests.chaos.world import World


def step(world: World) -> None:
    assert world.clock is not None
    seconds = world.random.choice([-3_600, -60, -5, 5, 60, 3_600] if world.database.vendor == "postgresql" else [-5, 5])
    world.clock.step(seconds)
    clock = world.clock
    world.lasting(f"clock off by {seconds:+d} s", world.random.uniform(2, 8), lambda: clock.step(0))


ACTS = (Act(fault="clock-steps", weight=4, do=step),)
