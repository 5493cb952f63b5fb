"""Close database connections of threads that Django does not manage."""

import logging

from django.db import connection, connections

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
