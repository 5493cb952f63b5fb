"""Makes the environment in which the tests' Django starts, and its servers.

Loaded with `-p` (see `pyproject.toml`), since the environment must exist before pytest-django reads the settings.
"""

import os
import signal
import sys
from collections.abc import Generator

import pytest

from tests.servers import DATABASES, STRAY_VARIABLES, Servers

SERVERS = pytest.StashKey[Servers]()

#: Fixtures of tests that talk to the database, as tests marked with `django_db` do.
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("aiwriting")
    group.addoption(
        "--database",
        choices=DATABASES,
        default="sqlite",
        help="run on SQLite, or on PostgreSQL: the server of TEST_DATABASE_URL, else one started for the session",
    )
    group.addoption(
        "--redis",
        default="embedded",
        metavar="SERVER",
        help="embedded (Valkey), a program on the PATH such as redis-server, or a URL whose database may be flushed",
    )
    group.addoption(
        "--fast-path",
        choices=("on", "off"),
        default="on",
        help="TASK_FAST_PATH, here and in the processes that tests start; off skips the tests that are about it",
    )
    group.addoption(
        "--all-benchmarks",
        action="store_true",
        help="try every benchmark in tests/benchmarks, which takes minutes; default: the one that sends",
    )
    group.addoption(
        "--chaos-minutes",
        type=float,
        help="minutes of the storm of tests/chaos, with all faults; default: a third of a minute, with fewer faults",
    )
    group.addoption(
        "--chaos-faults",
        metavar="FAULT,...",
        help="faults of the storm, or all (tests/chaos/faults)",
    )
    group.addoption(
        "--chaos-sends",
        metavar="FAULT,...",
        help="send only the kinds of these faults in the storm, such as django-tasks; default: all kinds",
    )
    group.addoption("--chaos-record", metavar="DIR", help="directory for the history and the verdict of the storm")
    group.addoption("--seed", type=int, default=1, help="seed of the storms; default: %(default)s")
    group.addoption(
        "--fuzz-requests",
        type=int,
        default=120,
        help="number of random requests to all addresses of the site, on each database; default: %(default)s",
    )
    group.addoption(
        "--cron-cases",
        type=int,
        default=2_000,
        help="number of random cron texts that are compared with the manual; default: %(default)s",
    )
    group.addoption(
        "--acted-on",
        type=int,
        default=4_000,
        help="failed tasks that are retried at once by tests/tasks/test_act_on_all.py; default: %(default)s",
    )
    group.addoption(
        "--every-look",
        action="store_true",
        help="look at every page in both themes and widths, which takes minutes; default: at one of each kind",
    )
    group.addoption(
        "--pictures",
        metavar="DIR",
        help="directory for pictures of the control room (tests/browser/test_every_page.py); default: none are kept",
    )
    group.addoption(
        "--unique-sends",
        type=int,
        default=60,
        help="number of sends that race for one unique key, from 1,000 on with 8 processes; default: %(default)s",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    # Also tidy up if a program such as `timeout` ends the session.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell's `&` makes the session and its processes ignore these.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    options = early_config.known_args_namespace
    if not (options.help or options.version):
        servers = Servers(database=options.database, redis_server=options.redis)
        early_config.stash[SERVERS] = servers
        for name in STRAY_VARIABLES:
            os.environ.pop(name, None)
        sys.dont_write_bytecode = False
        os.environ.update(servers.environment)
        os.environ["TASK_FAST_PATH"] = "1" if options.fast_path == "on" else "0"
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[SERVERS].start()


def pytest_report_header(config: pytest.Config) -> list[str]:
    return config.stash[SERVERS].versions


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        marked = item.get_closest_marker("django_db") or item.get_closest_marker("processes")
        if not (marked or fixtures & DATABASE_FIXTURES):
            item.add_marker(pytest.mark.once)
        if config.getoption("--fast-path") == "off" and (about := item.get_closest_marker("fast_path")):
            item.add_marker(pytest.mark.skip(reason=f"--fast-path=off: {about.args[0]}"))
    if config.getoption("--database") != "sqlite":
        once = [item for item in items if item.get_closest_marker("once")]
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if not item.get_closest_marker("once")]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(SERVERS, None)
    if servers is not None:
        servers.stop()
