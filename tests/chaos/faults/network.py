"""A bad network between the processes and their servers."""

from tests.chaos.faults.act import Act
from tests.chaos.proxy import DIRECTIONS, Proxy
from tests.chaos.world import World


def _somewhere(world: World) -> tuple[str, Proxy]:
    return world.random.choice(sorted(world.proxies.items()))


def _directions(world: World) -> list[str]:
    return world.random.choice([list(DIRECTIONS), *([one] for one in DIRECTIONS)])


def drop(world: World) -> None:
    """Swallow bytes for some seconds, of all connections or of those that are open now."""
    name, proxy = _somewhere(world)
    existing = world.random.random() < 0.5
    number = proxy.begin("hole", directions=_directions(world), existing=existing)
    kind = f"drop packets to {name}, {'open connections' if existing else 'all'}"
    world.lasting(kind, world.random.uniform(1, 10), lambda: proxy.end(number))


def delay(world: World) -> None:
    name, proxy = _somewhere(world)
    seconds = world.random.choice([0.01, 0.05, 0.2, 0.5])
    number = proxy.begin("delay", directions=_directions(world), value=seconds)
    world.lasting(f"delay to {name}", world.random.uniform(1, 6), lambda: proxy.end(number))


def throttle(world: World) -> None:
    name, proxy = _somewhere(world)
    number = proxy.begin("throttle", directions=_directions(world), value=world.random.choice([20_000, 200_000]))
    world.lasting(f"throttle {name}", world.random.uniform(1, 6), lambda: proxy.end(number))


def reset(world: World) -> None:
    name, proxy = _somewhere(world)
    proxy.cut("reset", every=world.random.choice([1, 2, 5]))
    world.note(f"reset connections to {name}")


def half_close(world: World) -> None:
    name, proxy = _somewhere(world)
    proxy.cut("half-close", every=world.random.choice([1, 2, 5]), direction=world.random.choice(DIRECTIONS))
    world.note(f"half-close connections to {name}")


ACTS = (
    Act(fault="dropped-packets", weight=6, do=drop),
    Act(fault="slow-network", weight=4, do=delay),
    Act(fault="slow-network", weight=3, do=throttle),
    Act(fault="cut-connections", weight=4, do=reset),
    Act(fault="cut-connections", weight=4, do=half_close),
)
