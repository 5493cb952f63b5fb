"""Kinds of Redis servers that the queues cannot work with."""

import redis

from workers.wire.queue import WireQueue

#: Reasons by the mode that a server says.
UNSUITED = {
    "cluster": "Redis is a cluster, and the keys of one queue would lie on several of its nodes. "
    "Give REDIS_URL a server of its own, or one behind a proxy, with cluster-enabled no.",
    "sentinel": "REDIS_URL leads to a Sentinel, which keeps no messages. "
    "Give it the address of the primary that the Sentinel watches, or of a proxy that leads to it.",
}


def unsuited(wire: WireQueue) -> str:
    """Return why the queues cannot work with this server. Empty: they can, or it is away just now."""
    try:
        return UNSUITED.get(wire.mode(), "")
    except redis.RedisError:
        return ""
