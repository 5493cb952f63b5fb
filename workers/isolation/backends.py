"""Ends the processes of PostgreSQL that served a child which was killed.

The server notices the death of a client only when it answers. A statement that it had begun goes on, and may commit.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence

from django.db import DatabaseError, InterfaceError, connections

from workers.isolation.message import Connected

logger = logging.getLogger(__name__)

#: Seconds in which they must be gone.
TIMEOUT_SECONDS = 2.0
#: Seconds between two looks.
LOOK_SECONDS = 0.01

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = ANY(%s) AND datname = current_database() AND usename = current_user
"""


def end(connected: Sequence[Connected]) -> None:
    """End these processes and wait until they are gone, by this thread's own connections."""
    by_alias: defaultdict[str, list[int]] = defaultdict(list)
    for one in connected:
        by_alias[one.alias].append(one.pid)
    for alias, pids in by_alias.items():
        try:
            if _end(alias, pids):
                logger.error("database still works for an isolated task that has ended pids=%s", pids)
        except (DatabaseError, InterfaceError) as error:
            logger.error("database cannot be told that an isolated task has ended error=%s", error)
            connections[alias].close()


def _end(alias: str, pids: list[int]) -> bool:
    """Return whether one is left."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with connections[alias].cursor() as cursor:
        while True:
            cursor.execute(TERMINATE, [pids])
            if not cursor.fetchall():
                return False
            if time.monotonic() > deadline:
                return True
            time.sleep(LOOK_SECONDS)
