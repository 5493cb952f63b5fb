"""System checks: a mistake in a declaration or in the settings is reported at boot, not when the task runs.

The app looks at the broker before Django's models exist, so functions import the schedules where they use them.
"""

import inspect
import math
from collections.abc import Collection, Sequence
from typing import Any

import dramatiq
from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth import get_permission_codename
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection
from dramatiq import Actor, Middleware
from dramatiq.middleware import Callbacks, Pipelines, Retries
from dramatiq.middleware.group_callbacks import GroupCallbacks

from apps.core.connections import POSTGRESQL_OPTIONS
from apps.core.installed_app import is_installed
from apps.tasks.conf import MOST_DAYS, SETTINGS, conf
from apps.tasks.errors import BadCronError
from apps.tasks.queues import did_you_mean
from workers.broker import LedgerBroker
from workers.isolation.limits import limits_of
from workers.middleware.ending import Ending
from workers.middleware.lifecycle import Lifecycle
from workers.middleware.progress import Progress
from workers.sending.options import ACTORS
from workers.wire.server import unsuited

#: Middleware without which no task has a start, progress or an end.
TRACKING = (Lifecycle, Progress, Ending)
#: Middleware that sends what follows a task. Its messages belong to the task's outcome.
FOLLOWING = (Callbacks, Pipelines, GroupCallbacks, Retries)

#: Databases that tasks can be rows of.
VENDORS = ("postgresql", "sqlite")

#: Database connections of a worker process beside one for each thread and one for each queue: of its writer, its
#: heartbeat, its reconciler, its requests, and of the thread that `sync_to_async` uses.
PROCESS_CONNECTIONS = 5
#: Database connections of a supervisor, its probe, its relay and a scheduler. Slots and pruning have one each.
OTHER_CONNECTIONS = 6

#: Options of a SQLite database that several processes write to.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}


def actors() -> list[Actor[..., Any]]:
    """Return all declared actors, by name."""
    return [actor for _, actor in sorted(dramatiq.get_broker().actors.items())]


def own_actors() -> list[Actor[..., Any]]:
    """Return the declared actors without those of installed packages, whose code this project cannot change."""
    found = [(actor, app_of(actor)) for actor in actors()]
    installed = {config for config in {config for _, config in found} if config is not None and is_installed(config)}
    return [actor for actor, config in found if config not in installed]


def app_of(actor: Actor[..., Any]) -> AppConfig | None:
    """Return the app in which an actor's function is. None: it is in none."""
    return apps.get_containing_app_config(inspect.unwrap(actor.fn).__module__)


@register("tasks")
def check_names(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E001: An actor's name begins with the label of its app, or is the dotted path of its function."""
    messages: list[CheckMessage] = []
    for actor in own_actors():
        config = app_of(actor)
        path = f"{actor.fn.__module__}.{actor.fn.__qualname__}"
        if config is not None and not actor.actor_name.startswith((f"{config.label}.", path)):
            messages.append(
                Error(
                    f"The actor {actor.actor_name!r} of {actor.fn.__module__} has no app prefix.",
                    hint=f"Declare it with actor_name={f'{config.label}.{actor.fn.__name__}'!r}.",
                    id="tasks.E001",
                )
            )
    return messages


@register("tasks")
def check_related(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E002: `related_to` names a model."""
    labels = {model._meta.label for model in apps.get_models()}
    return [
        Error(
            f"The actor {actor.actor_name!r} is related to {actor.options['related_to']!r}, which is no model.",
            hint=f"Must be one of: {', '.join(sorted(labels))}",
            id="tasks.E002",
        )
        for actor in actors()
        if actor.options.get("related_to") and actor.options["related_to"] not in labels
    ]


@register("tasks")
def check_schedules(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E003: A periodic actor has a cron text and arguments that it can be called with."""
    from apps.tasks.schedules import cron, declared

    messages: list[CheckMessage] = []
    for actor in actors():
        text = declared.cron_text(actor)
        if not text:
            continue
        try:
            cron.parse(text)
            inspect.signature(actor.fn).bind(**(actor.options.get("periodic_kwargs") or {}))
        except (BadCronError, TypeError) as error:
            messages.append(Error(f"The periodic actor {actor.actor_name!r} cannot fire: {error}", id="tasks.E003"))
    return messages


def check_broker() -> list[CheckMessage]:
    """tasks.E004: The broker is a `LedgerBroker`. tasks.E005: Its middleware has all that tracks tasks, in order.

    Not registered: `WorkersConfig` asks it before any actor is declared.
    """
    broker = dramatiq.get_broker()
    if not isinstance(broker, LedgerBroker):
        return [
            Error(
                f"Dramatiq's broker is a {type(broker).__name__}, must be a LedgerBroker.",
                hint='Put "django_dramatiq" first into INSTALLED_APPS and set DRAMATIQ_BROKER to '
                '{"BROKER": "workers.broker.LedgerBroker", "OPTIONS": {"url": ...}, "MIDDLEWARE": middleware.DEFAULT}.',
                id="tasks.E004",
            )
        ]
    wrong = _wrong_middleware(broker.middleware)
    if not wrong:
        return []
    hint = 'Set DRAMATIQ_BROKER["MIDDLEWARE"] to workers.middleware.DEFAULT, and add yours before its last entry.'
    return [Error(f"The broker's middleware cannot track tasks: {wrong}.", hint=hint, id="tasks.E005")]


def check_numbers() -> list[CheckMessage]:
    """tasks.E009: The settings of tasks that are numbers are numbers, not negative, and in days at most 3,650.

    Not registered: `WorkersConfig` asks it. A relay would delete the tasks of the next days with a negative number.
    """
    messages: list[CheckMessage] = []
    for name, setting in SETTINGS.items():
        if type(setting.default) is not int:
            continue
        value = getattr(settings, name, setting.default)
        most = MOST_DAYS if name.endswith("_DAYS") else math.inf
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
            span = "0 or more" if most == math.inf else f"from 0 to {most:,}"
            messages.append(Error(f"{name} is {value!r:.80}, must be a number, {span}.", id="tasks.E009"))
    return messages


def _wrong_middleware(middleware: Sequence[Middleware]) -> str:
    """Return what is wrong with the list, or nothing."""
    missing = [kind.__name__ for kind in TRACKING if not any(isinstance(one, kind) for one in middleware)]
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    begin, end = (_place(kind, middleware) for kind in (Progress, Ending))
    inside = middleware[begin + 1 : end]
    outside = [type(one).__name__ for one in middleware if isinstance(one, FOLLOWING) and one not in inside]
    return f"{', '.join(outside)} must come after Progress and before Ending" if outside else ""


def _place(kind: type[Middleware], middleware: Sequence[Middleware]) -> int:
    return next(index for index, one in enumerate(middleware) if isinstance(one, kind))


@register("tasks")
def check_transactional(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W001: On SQLite a transactional actor holds the only write lock while it runs."""
    if connection.vendor != "sqlite":
        return []
    return [
        Warning(
            f"The actor {actor.actor_name!r} is transactional, and SQLite has one writer at a time.",
            hint="Keep it short, or set DATABASE_URL to a PostgreSQL.",
            id="tasks.W001",
        )
        for actor in actors()
        if actor.options.get("transactional")
    ]


@register("tasks")
def check_stalls(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W010: `WORKER_STALL_SECONDS` is not below `WORKER_HEARTBEAT_TIMEOUT_SECONDS`."""
    if conf.WORKER_STALL_SECONDS >= conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS:
        return []
    return [
        Warning(
            f"WORKER_STALL_SECONDS is {conf.WORKER_STALL_SECONDS}, and WORKER_HEARTBEAT_TIMEOUT_SECONDS "
            f"{conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS}: a worker tells less often what it takes.",
            hint="Raise WORKER_STALL_SECONDS. Otherwise workers that work are called stalled, and their probe fails.",
            id="tasks.W010",
        )
    ]


@register("tasks")
def check_vendor(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E006: The database is PostgreSQL or SQLite."""
    if connection.vendor in VENDORS:
        return []
    return [
        Error(
            f"The database 'default' is {connection.vendor}, must be one of: {', '.join(VENDORS)}.",
            id="tasks.E006",
        )
    ]


@register("tasks", deploy=True)
def check_redis(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E008: Redis is neither a cluster nor a Sentinel."""
    broker = dramatiq.get_broker()
    reason = unsuited(broker.wire) if isinstance(broker, LedgerBroker) else ""
    return [Error(reason, id="tasks.E008")] if reason else []


@register("tasks", deploy=True)
def check_eager(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W026: Tasks run in workers (with `--deploy`)."""
    if not conf.TASK_EAGER:
        return []
    return [
        Warning(
            "TASK_EAGER is on: each request runs the tasks that it sends, and its user waits for them.",
            hint="It is for tests. Unset it, and start manage.py runworker.",
            id="tasks.W026",
        )
    ]


@register("tasks")
def check_time_zone(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E007: `USE_TZ` is True."""
    if settings.USE_TZ:
        return []
    return [Error("USE_TZ is False: delays and schedules need times with a time zone.", id="tasks.E007")]


@register("tasks")
def check_sqlite(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W003: A transaction on SQLite takes the write lock when it begins."""
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode") or "DEFERRED"
    if connection.vendor != "sqlite" or mode.upper() != "DEFERRED":
        return []
    return [
        Warning(
            "SQLite's transactions are DEFERRED: one that reads and then writes fails while another process writes.",
            hint=f'Set DATABASES["default"]["OPTIONS"] to {SQLITE_OPTIONS}.',
            id="tasks.W003",
        )
    ]


@register("tasks")
def check_time_limits(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W005: A connection to PostgreSQL over TCP has time limits."""
    options = connection.settings_dict["OPTIONS"]
    host = str(options.get("host") or connection.settings_dict["HOST"])
    missing = [name for name in ("connect_timeout", "tcp_user_timeout", "keepalives_idle") if name not in options]
    if connection.vendor != "postgresql" or not missing or not host or host.startswith("/"):
        return []
    return [
        Warning(
            f"Connections to PostgreSQL have no {', '.join(missing)}: if a firewall forgets one, its thread waits for "
            "minutes.",
            hint=f'Set DATABASES["default"]["OPTIONS"] to {POSTGRESQL_OPTIONS}.',
            id="tasks.W005",
        )
    ]


def connections_needed(*, processes: int, threads: int, queues: int, isolated: int = 0) -> int:
    """Return the number of database connections of one host with its worker processes, a relay and a scheduler.

    Parameters:
      isolated: Isolated tasks that run at once in a process. The child of each has a connection of its own.
    """
    return processes * (threads + isolated + queues + PROCESS_CONNECTIONS) + OTHER_CONNECTIONS


def _isolated_at_once() -> int:
    """Return the number of isolated tasks that run at once in a worker process."""
    if not any(limits_of(actor.actor_name, actor.options) for actor in actors()):
        return 0
    return min(conf.WORKER_ISOLATED or conf.WORKER_THREADS, conf.WORKER_THREADS)


@register("tasks", deploy=True)
def check_connections(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W006: PostgreSQL has room for the connections of the workers (with `--deploy`)."""
    if connection.vendor != "postgresql" or connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        return []  # A pooler between has a limit of its own.
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) FROM pg_settings"
                " WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
            )
            (room,) = cursor.fetchone()
    except (DatabaseError, InterfaceError):
        return []
    needed = connections_needed(
        processes=conf.WORKER_PROCESSES,
        threads=conf.WORKER_THREADS,
        isolated=_isolated_at_once(),
        queues=len(dramatiq.get_broker().get_declared_queues()),
    )
    if needed <= room:
        return []
    return [
        Warning(
            f"The workers of one host need up to {needed} connections, and PostgreSQL has {room} for all.",
            hint="Lower WORKER_PROCESSES or WORKER_THREADS, or raise max_connections. Tasks may wait for one.",
            id="tasks.W006",
        )
    ]


@register(Tags.database)
def check_workers(*, databases: Collection[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """tasks.W007: A living worker takes from each queue (with `--database default`)."""
    from apps.tasks.models import WorkerProcess
    from apps.tasks.presence import untaken

    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        living = list(WorkerProcess.objects.workers().beating())
    except (DatabaseError, InterfaceError):
        return []  # It is not migrated yet.
    idle = untaken(living, dramatiq.get_broker().get_declared_queues())
    if not idle:
        return []
    hint = f"Start manage.py runworker --queues {','.join(idle)}. It may be that the workers start only now."
    return [Warning(f"No living worker takes from: {', '.join(idle)}.", hint=hint, id="tasks.W007")]


@register("tasks")
def check_order(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W004: `django_dramatiq` is the first app and `workers` the last."""
    names = [config.name for config in apps.get_app_configs()]
    places = {"django_dramatiq": ("first", 0), "workers": ("last", -1)}
    return [
        Warning(
            f"{name!r} is not the {place} of INSTALLED_APPS, {names[index]!r} is.",
            hint="An actor that another app imports early is lost to the broker, or finds its app unfinished.",
            id="tasks.W004",
        )
        for name, (place, index) in places.items()
        if names[index] != name
    ]


@register("tasks")
def check_callbacks(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W008: `on_success`, `on_failure` and `on_retry_exhausted` name declared actors."""
    known = dramatiq.get_broker().actors
    messages: list[CheckMessage] = []
    for actor in actors():
        for option in sorted(ACTORS):
            name = actor.options.get(option)
            if name and name not in known:
                messages.append(
                    Warning(
                        f"The actor {actor.actor_name!r} has {option}={name!r}, which is no actor of this code"
                        f"{did_you_mean(name, known)}.",
                        hint="Its messages wait for a worker that knows it, and fail after 10 minutes.",
                        id="tasks.W008",
                    )
                )
    return messages


@register("tasks")
def check_permissions(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W009: A permission of `schedulable` is one of a model."""
    from apps.tasks.schedules.allowed import offers

    known = {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(get_permission_codename(action, model._meta) for action in model._meta.default_permissions),
            *(codename for codename, _name in model._meta.permissions),
        )
    }
    return [
        Warning(
            f"Staff may schedule {name!r} with {offer.permission!r}, which no model has"
            f"{did_you_mean(offer.permission, known)}.",
            hint="Superusers alone may schedule it, unless another authentication backend knows the permission.",
            id="tasks.W009",
        )
        for name, offer in sorted(offers.items())
        if offer.permission and offer.permission not in known
    ]


@register("tasks")
def check_databases(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W002: A send is atomic with the transactions of one database."""
    others = sorted(set(settings.DATABASES) - {"default"})
    if not others:
        return []
    return [
        Warning(
            f"A send inside a transaction of {', '.join(others)} is not atomic with it: tasks are rows of 'default'.",
            id="tasks.W002",
        )
    ]
