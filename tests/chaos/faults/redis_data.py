"""Redis loses a part of what it has, or has no room."""

import contextlib
from typing import Any

import redis

from tests.chaos.faults.act import Act
from tests.chaos.world import World

#: Keys that one act damages, at most.
KEYS = 3


def delete_parts(world: World) -> None:
    """Delete random keys, or random parts of them."""
    with world.redis.client() as client:
        keys = sorted(client.scan_iter("aiwriting:*", count=1_000))
        for key in world.random.sample(keys, min(KEYS, len(keys))):
            damage(world, client, key)
    world.note("parts of Redis deleted")


def damage(world: World, client: Any, key: str) -> None:
    kind = client.type(key)
    if world.random.random() < 0.3 or kind not in {"hash", "list", "set"}:
        client.delete(key)
    elif kind == "hash":
        fields = client.hkeys(key)
        client.hdel(key, *world.random.sample(fields, min(10, len(fields))))
    elif kind == "list":
        client.lpop(key, world.random.randrange(1, 20))
    else:
        client.srem(key, *client.srandmember(key, 5))


def limit_memory(world: World) -> None:
    """Leave no room for some seconds: writes are refused, or random keys are evicted."""
    policy = world.random.choice(["noeviction", "allkeys-random"])
    server = world.redis.primary
    with world.redis.client(server) as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", max(used - 50_000, 1))

    def undo() -> None:
        with contextlib.suppress(redis.RedisError), world.redis.client(server) as client:
            client.config_set("maxmemory", 0)

    world.lasting(f"Redis full, {policy}", world.random.uniform(1, 5), undo)


ACTS = (
    Act(fault="redis-parts", weight=6, do=delete_parts),
    Act(fault="redis-memory", weight=4, do=limit_memory),
)
