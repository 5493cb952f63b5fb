"""Check that the database and Redis let us in. The errors are one line and show no password."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.wire.queue import WireQueue
from workers.wire.server import unsuited

TIMEOUT_SECONDS = 5
#: Options of a connection that limit the time for connecting.
TIMEOUT_OPTIONS: dict[str, dict[str, Any]] = {"postgresql": {"connect_timeout": TIMEOUT_SECONDS}}


class UnreachableError(Exception):
    """The server does not answer, or is of another kind."""


def check_redis(url: str) -> None:
    """Check that a Redis-protocol server answers, takes our password and can keep queues.

    Raises:
      UnreachableError: It does not.
    """
    try:
        with redis.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise UnreachableError(f"REDIS_URL: {reason(error, url=url)}") from None
    wire = WireQueue(url, namespace="")
    refusal = unsuited(wire)
    wire.close()
    if refusal:
        raise UnreachableError(refusal)


def check_database(url: str) -> None:
    """Check that the database of the settings answers.

    Raises:
      UnreachableError: It does not.
    """
    probe = connection.copy()
    probe.settings_dict["OPTIONS"] = probe.settings_dict["OPTIONS"] | TIMEOUT_OPTIONS.get(probe.vendor, {})
    try:
        probe.ensure_connection()
    except DatabaseError as error:
        raise UnreachableError(f"DATABASE_URL: {reason(error, url=url)}") from None
    finally:
        probe.close()


def reason(error: Exception, *, url: str) -> str:
    """Return the error's words in one line, without the URL's password."""
    text = " ".join(str(error).split()) or type(error).__name__
    parts = urlsplit(url)
    passwords = {parts.password or "", *parse_qs(parts.query).get("password", ())}
    for secret in (passwords | {unquote(each) for each in passwords}) - {""}:
        text = text.replace(secret, "***")
    return text
