"""Redis loses a part of what it has, or has no room."""

import contextlib
import time
from typing import Any

import redis

from tests.chaos.faults.act import Act
from tests.chaos.world import World

#: Seconds in which keys are damaged again and again. A queue's list is there for moments only.
DAMAGE_SECONDS = 1.0


def delete_parts(world: World) -> None:
    """Delete random keys, or random parts of them."""
    began = time.monotonic()
    with world.redis.client() as client:
        while time.monotonic() < began + DAMAGE_SECONDS:
            if keys := sorted(client.scan_iter("aiwriting:*", count=1_000)):
                damage(world, client, world.random.choice(keys))
            time.sleep(0.02)
    world.note("parts of Redis deleted", since=began)


def damage(world: World, client: Any, key: str) -> None:
    """Delete a key or some of its members. The processes change it meanwhile."""
    kind = client.type(key) if world.random.random() < 0.7 else "key"
    with contextlib.suppress(redis.ResponseError):
        match kind:
            case "hash":
                client.hdel(key, *client.hkeys(key)[:10])
            case "list":
                client.lpop(key, world.random.randrange(1, 20))
            case "zset":
                client.zremrangebyrank(key, 0, world.random.randrange(3))
            case "set":
                client.srem(key, *client.srandmember(key, 5))
            case _:
                client.delete(key)


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
