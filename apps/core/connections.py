"""Care for database connections of threads and processes that Django does not manage."""

import logging
from collections import deque

from django.conf import settings
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)


def close_broken() -> None:
    """Close this thread's connection, which may be broken. The next statement opens a new one."""
    try:
        connection.close()
    except Exception:
        logger.debug("broken connection could not be closed", exc_info=True)


def close_idle() -> None:
    """Close this thread's connections, except those inside a transaction."""
    for opened in connections.all(initialized_only=True):
        if not opened.in_atomic_block:
            opened.close()


def keep_no_statements() -> None:
    """Under DEBUG, keep no texts of statements in this process. Call it before other threads start.

    Django keeps the last 9,000 of each connection, with all parameters, until the next request. A worker, relay or
    scheduler has none.
    """
    if settings.DEBUG:
        logger.warning("DEBUG is on, which makes every statement slower: turn it off in production")
        BaseDatabaseWrapper.queries_limit = 0
        for opened in connections.all(initialized_only=True):
            opened.queries_log = deque(maxlen=0)
