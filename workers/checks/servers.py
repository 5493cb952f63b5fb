"""System checks that ask Redis (with `--deploy`) and PostgreSQL (with `--database default`), and of known secrets.

A server that does not answer is one warning. No message has an address, a user or a password.
"""

import re
from collections.abc import Collection
from typing import Any

import dramatiq
import redis
from django.conf import settings
from django.core.checks import CheckMessage, Info, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, NotSupportedError, connection

from apps.tasks.conf import conf
from workers.broker import LedgerBroker

#: Oldest versions. LPOP with a count came with Redis 6.2, and Django asks for the PostgreSQL.
OLDEST_REDIS = (6, 2)
OLDEST_POSTGRESQL = 14

#: Secrets that come with examples, images and tutorials, without case and punctuation.
KNOWN_SECRETS = (
    "1234", "12345", "123456", "12345678", "admin", "aiwriting", "changeit", "changeme", "default", "dev", "django",
    "example", "foobared", "guest", "insecure", "pass", "passw0rd", "password", "postgres", "redis", "replaceme",
    "root", "secret", "secretkey", "test", "token", "user", "x", "yoursecretkey",
)  # fmt: skip
#: Endings of the names of settings that are secrets.
SECRET_SETTINGS = ("_KEY", "_PASSWORD", "_SECRET", "_TOKEN")


@register("tasks", deploy=True)
def check_secrets(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W018: No secret is one that everyone knows (with `--deploy`)."""
    names = [name for name in dir(settings) if name.isupper() and name.endswith(SECRET_SETTINGS)]
    given: dict[str, Any] = {name: getattr(settings, name, None) for name in names}
    for alias, database in settings.DATABASES.items():
        given[f"the password of the database {alias!r}"] = database.get("PASSWORD")
    broker = dramatiq.get_broker()
    if isinstance(broker, LedgerBroker):
        given["the password of Redis"] = broker.wire.workers.connection_pool.connection_kwargs.get("password")
    known = sorted(name for name, value in given.items() if _is_known(value))
    if not known:
        return []
    return [
        Warning(
            f"Known from examples: {', '.join(known)}.",
            hint="Make a new one: python -c 'import secrets; print(secrets.token_urlsafe(50))'.",
            id="tasks.W018",
        )
    ]


def _is_known(value: Any) -> bool:
    return isinstance(value, str) and re.sub(r"[\W_]+", "", value).lower() in KNOWN_SECRETS


@register("tasks", deploy=True)
def check_redis_server(**kwargs: Any) -> list[CheckMessage]:
    """Ask Redis what it does with the messages. All of these are with `--deploy`.

    tasks.W019: Redis answers.
    tasks.W020: Redis is 6.2 or newer, or Valkey.
    tasks.I021: Redis writes its messages to a disk.
    tasks.W022: Redis evicts no messages.
    """
    broker = dramatiq.get_broker()
    if not isinstance(broker, LedgerBroker):
        return []
    try:
        found: dict[str, Any] = broker.wire.workers.info()
    except redis.RedisError as error:
        return [
            Warning(
                f"Redis was not checked: {type(error).__name__}.",
                hint="Start it, check its address, and let its user run INFO. Sends go on meanwhile, and tasks wait.",
                id="tasks.W019",
            )
        ]
    messages: list[CheckMessage] = []
    version = str(found.get("redis_version", ""))
    if "valkey_version" not in found and _is_older(version, OLDEST_REDIS):
        messages.append(
            Warning(
                f"Redis is {version}, must be {'.'.join(map(str, OLDEST_REDIS))} or newer.",
                hint="Move to a newer Redis or to Valkey. The tasks are in the database: an empty server will do.",
                id="tasks.W020",
            )
        )
    if found.get("aof_enabled") == 0 and _snapshots(broker) == "":
        messages.append(
            Info(  # It costs time, and no task: a release goes on.
                "Redis keeps its messages in memory alone: after a restart of it, tasks wait for the relay.",
                hint="Set appendonly to yes, with a disk or volume for its directory.",
                id="tasks.I021",
            )
        )
    policy = str(found.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        messages.append(
            Warning(
                f"Redis has maxmemory-policy {policy}: it deletes messages when its memory is full.",
                hint="Set maxmemory-policy to noeviction. A cache should have a Redis of its own.",
                id="tasks.W022",
            )
        )
    return messages


def _snapshots(broker: LedgerBroker) -> str | None:
    """Return when Redis makes snapshots. Empty: never. None: its user may not ask."""
    try:
        found: dict[Any, Any] = broker.wire.workers.config_get("save")
    except redis.RedisError:
        return None
    value = found.get("save", found.get(b"save"))
    return value.decode() if isinstance(value, bytes) else value


def _is_older(version: str, oldest: tuple[int, ...]) -> bool:
    parts = tuple(int(part) for part in re.findall(r"\d+", version)[: len(oldest)])
    return bool(parts) and parts < oldest


@register(Tags.database)
def check_postgresql_server(*, databases: Collection[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Ask PostgreSQL, and what stands before it. All of these are with `--database default`.

    tasks.W023: The database answers.
    tasks.W024: PostgreSQL is 14 or newer.
    tasks.W025: Behind a PgBouncer that pools transactions, nothing counts on a session.
    """
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        connection.ensure_connection()
        return _pooled() if connection.vendor == "postgresql" else []
    except NotSupportedError:
        return [
            Warning(
                f"PostgreSQL is older than {OLDEST_POSTGRESQL}.",
                hint="Upgrade it with pg_upgrade, or dump and restore.",
                id="tasks.W024",
            )
        ]
    except (DatabaseError, InterfaceError) as error:
        return [
            Warning(
                f"The database was not checked: {type(error).__name__}.",
                hint="Start it, and see DATABASES. Nothing can be sent meanwhile.",
                id="tasks.W023",
            )
        ]


def _pooled() -> list[CheckMessage]:
    options = connection.settings_dict
    wrong = []
    if conf.DATABASE_PREPARED_STATEMENTS:
        wrong.append("DATABASE_PREPARED_STATEMENTS to no")
    if not options.get("DISABLE_SERVER_SIDE_CURSORS"):
        wrong.append("DISABLE_SERVER_SIDE_CURSORS to True")
    if not wrong or not _pools_transactions():
        return []
    return [
        Warning(
            "A pooler such as PgBouncer pools transactions: prepared statements and cursors meet another session.",
            hint=f"Set {' and '.join(wrong)}, or let the tasks reach PostgreSQL itself. A PgBouncer of 1.21 or newer "
            "with max_prepared_statements above 0 needs the cursors alone.",
            id="tasks.W025",
        )
    ]


def _pools_transactions() -> bool:
    """Return whether a second connection gets the session of the first, which is open and idle.

    A connection to PostgreSQL itself knows the process that serves it. That of a pooler is told another one.
    """
    if connection.in_atomic_block:
        return False  # Its session is taken.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (served_by,) = cursor.fetchone()
        if cursor.connection.info.backend_pid == served_by:
            return False
    second = connection.copy()
    try:
        with second.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return bool(cursor.fetchone()[0] == served_by)
    finally:
        second.close()
