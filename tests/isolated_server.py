"""The server of isolated tasks, with the isolated actors of the tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.commands import environment
from tests.conftest import database_url
from workers.isolation.fork_server import ForkServer
from workers.middleware.isolation import Isolation


def variables(**more: str) -> dict[str, str]:
    """Return the environment of a server on the database of the session."""
    own = {"ACTING_ISOLATED": "1", "TASK_FAST_PATH": os.environ["TASK_FAST_PATH"]}
    return environment(DATABASE_URL=database_url(), **own, **more)


def isolation_of(broker: Any) -> Isolation:
    return next(one for one in broker.middleware if isinstance(one, Isolation))


@contextmanager
def serving(broker: Any, **more: str) -> Iterator[None]:
    """Run the isolated tasks of this process with a server of their own, which stops at the end."""
    isolation = isolation_of(broker)
    before, isolation.server = isolation.server, ForkServer(env=variables(**more))
    try:
        isolation.server.start()
        yield
    finally:
        isolation.server.stop()
        isolation.server = before
