"""The set-up of each system: its worker commands and its sender."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.commands import manage

#: Returns the commands for a number of worker processes and a number of threads.
Workers = Callable[[int, int], list[tuple[str, ...]]]
OUR_MODULE = "benchmarks.systems.aiwriting"
#: The same system by Django's Tasks API.
API_MODULE = "benchmarks.systems.aiwriting_django_tasks"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One system.

    Parameters:
      name: Name in the table.
      module: Module of `benchmarks.systems` that its sender runs.
      workers: Commands that start its workers.
      database: Kind of database that has its rows. Empty: it has no rows.
      done: State of the row of a completed task.
      noop: Name of its task that does nothing.
      packages: Packages that it needs besides requirements-dev.txt.
      variables: Additional variables of its environment.
      is_slow: Whether it gets a quarter of the tasks.
    """

    name: str
    module: str
    workers: Workers
    database: str = ""
    done: str = ""
    noop: str = "noop"
    packages: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    is_slow: bool = False

    @property
    def is_ours(self) -> bool:
        return self.module in (OUR_MODULE, API_MODULE)

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [package for package in self.packages if importlib.util.find_spec(package) is None]


def _run(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _runworker(processes: int, threads: int) -> list[tuple[str, ...]]:
    return [manage("runworker", "--processes", str(processes), "--threads", str(threads))]


def _dramatiq(processes: int, threads: int) -> list[tuple[str, ...]]:
    module = "benchmarks.systems.plain_dramatiq"
    return [_run("dramatiq", module, "--processes", str(processes), "--threads", str(threads))]


def _rundramatiq(processes: int, threads: int) -> list[tuple[str, ...]]:
    return [_run("django", "rundramatiq", "--processes", str(processes), "--threads", str(threads))]


def _db_worker(processes: int, threads: int) -> list[tuple[str, ...]]:
    # A worker has one thread.
    return [_run("django", "db_worker", "--no-startup-delay")] * processes


def _huey(processes: int, threads: int) -> list[tuple[str, ...]]:
    command = _run("huey.bin.huey_consumer", "benchmarks.systems.huey_threads.huey", "-w", str(threads), "-k", "thread")
    return [(*command, "--quiet")] * processes


def _pgqueuer(processes: int, threads: int) -> list[tuple[str, ...]]:
    return [_run("benchmarks.systems.pgqueuer_jobs", str(threads))] * processes


def _taskiq(processes: int, threads: int) -> list[tuple[str, ...]]:
    broker = "benchmarks.systems.taskiq_streams:broker"
    return [_run("taskiq", "worker", broker, "--workers", str(processes), "--log-level", "WARNING")]


def _procrastinate(processes: int, threads: int) -> list[tuple[str, ...]]:
    app = ("--app", "benchmarks.systems.procrastinate_jobs.app", "--log-level", "warning")
    return [_run("procrastinate", *app, "worker", "--concurrency", str(threads))] * processes


def _celery(module: str) -> Workers:
    def commands(processes: int, threads: int) -> list[tuple[str, ...]]:
        # One master, whose children run one task at a time.
        return [_run("celery", "--app", module, "worker", "--concurrency", str(processes), "--loglevel", "WARNING")]

    return commands


def _ours(database: str, name: str) -> Setup:
    return Setup(
        name=f"aiWriting, {name}",
        module=OUR_MODULE,
        workers=_runworker,
        database=database,
        done="completed",
        variables={
            "DJANGO_SETTINGS_MODULE": "aiWriting.settings",
            "EXTRA_APPS": "benchmarks.notes,benchmarks.acting",
            "LOG_LEVEL": "WARNING",
        },
    )


def _admin(database: str, name: str) -> Setup:
    return Setup(
        name=f"AdminMiddleware, {name}",
        module="benchmarks.systems.admin_middleware.sender",
        workers=_rundramatiq,
        database=database,
        done="done",
        variables={"DJANGO_SETTINGS_MODULE": "benchmarks.systems.admin_middleware.settings"},
        is_slow=True,
    )


DRAMATIQ = Setup(name="Dramatiq", module="benchmarks.systems.plain_dramatiq", workers=_dramatiq)
DRAMATIQ_64 = Setup(
    name="Dramatiq, prefetch 64",
    module="benchmarks.systems.plain_dramatiq",
    workers=_dramatiq,
    variables={"dramatiq_queue_prefetch": "64"},
)
HUEY = Setup(name="huey", module="benchmarks.systems.huey_threads", workers=_huey, packages=("huey",))
CELERY = Setup(
    name="Celery",
    module="benchmarks.systems.celery_untracked",
    workers=_celery("benchmarks.systems.celery_untracked"),
    packages=("celery",),
)
CELERY_RESULTS = Setup(
    name="Celery, results in PostgreSQL",
    module="benchmarks.systems.celery_results",
    workers=_celery("benchmarks.systems.celery_results"),
    database="postgresql",
    done="SUCCESS",
    packages=("celery", "django_celery_results"),
    variables={"DJANGO_SETTINGS_MODULE": "benchmarks.systems.celery_results_settings"},
    is_slow=True,
)
PGQUEUER_ASYNC = Setup(
    name="pgqueuer, async",
    module="benchmarks.systems.pgqueuer_jobs",
    workers=_pgqueuer,
    database="postgresql",
    done="successful",
    noop="noop_async",
    packages=("asyncpg", "pgqueuer"),
)
PGQUEUER_THREADS = replace(PGQUEUER_ASYNC, name="pgqueuer, threads", noop="noop")
TASKIQ = Setup(
    name="taskiq", module="benchmarks.systems.taskiq_streams", workers=_taskiq, packages=("taskiq_redis", "uvloop")
)
PROCRASTINATE = Setup(
    name="procrastinate",
    module="benchmarks.systems.procrastinate_jobs",
    workers=_procrastinate,
    database="postgresql",
    done="succeeded",
    packages=("procrastinate",),
    is_slow=True,
)
ADMIN_POSTGRESQL = _admin("postgresql", "PostgreSQL")
ADMIN_SQLITE = _admin("sqlite", "SQLite")
POSTGRESQL = _ours("postgresql", "PostgreSQL")
SQLITE = _ours("sqlite", "SQLite")
OURS = (POSTGRESQL, SQLITE)
#: The same, with an async actor.
ASYNC = replace(POSTGRESQL, name=f"{POSTGRESQL.name}, async", noop="noop_async")
TASKS_API = replace(POSTGRESQL, name="aiWriting, Django's Tasks API", module=API_MODULE)
DJANGO_TASKS_DB = Setup(
    name="django-tasks-db, PostgreSQL",
    module="benchmarks.systems.django_tasks_db.sender",
    workers=_db_worker,
    database="postgresql",
    done="SUCCESSFUL",
    packages=("django_tasks_db",),
    variables={"DJANGO_SETTINGS_MODULE": "benchmarks.systems.django_tasks_db.settings"},
    is_slow=True,
)
#: The same, with actors that run in child processes.
ISOLATED = tuple(
    replace(setup, name=f"{setup.name}, isolated", variables={**setup.variables, "BENCHMARKS_ISOLATED": "1"})
    for setup in OURS
)
