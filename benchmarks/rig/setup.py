"""How each system is set up: what runs its workers, and what its sender is."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.commands import manage

#: A command line for so many worker processes and threads.
Workers = Callable[[int, int], list[tuple[str, ...]]]
OUR_MODULE = "benchmarks.systems.aiwriting"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One system.

    Parameters:
      name: As the table shows it.
      module: Of `benchmarks.systems`: what its sender runs.
      workers: The commands that start its workers.
      database: The kind it keeps rows in; empty where it tracks nothing.
      done: The state of a row whose task ended well.
      packages: What it needs besides requirements-dev.txt.
      variables: More of its environment.
      is_slow: It is given a quarter of the tasks.
    """

    name: str
    module: str
    workers: Workers
    database: str = ""
    done: str = ""
    packages: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    is_slow: bool = False

    @property
    def is_ours(self) -> bool:
        return self.module == OUR_MODULE

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
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


def _huey(processes: int, threads: int) -> list[tuple[str, ...]]:
    command = _run("huey.bin.huey_consumer", "benchmarks.systems.huey_threads.huey", "-w", str(threads), "-k", "thread")
    return [(*command, "--quiet")] * processes


def _celery(module: str) -> Workers:
    def commands(processes: int, threads: int) -> list[tuple[str, ...]]:
        # One master; its children run one task at a time.
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
ADMIN_POSTGRESQL = _admin("postgresql", "PostgreSQL")
ADMIN_SQLITE = _admin("sqlite", "SQLite")
POSTGRESQL = _ours("postgresql", "PostgreSQL")
SQLITE = _ours("sqlite", "SQLite")
OURS = (POSTGRESQL, SQLITE)
