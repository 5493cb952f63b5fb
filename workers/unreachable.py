"""When Redis is away."""

import redis

#: A time-out is no ConnectionError in redis-py, and both mean "not known to have happened".
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)
