"""Errors of a Redis that is away."""

import redis

#: redis-py's time-out is no ConnectionError. Both mean that the command may not have happened.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)
