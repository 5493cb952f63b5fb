"""Closing a database connection that may be broken: a thread that must go on must not die of it."""

import logging

from django.db import connection

logger = logging.getLogger(__name__)


def close_broken() -> None:
    """Close this thread's connection; the next statement opens a new one."""
    try:
        connection.close()
    except Exception:
        logger.debug("a broken connection could not be closed", exc_info=True)
