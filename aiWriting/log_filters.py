"""Filters of log lines."""

import logging


def drop_tracebacks_of_refusals(record: logging.LogRecord) -> bool:
    """Keep every line. Drop the tracebacks of refused requests: strangers can cause as many as they like."""
    if getattr(record, "status_code", 500) < 500:
        record.exc_info = record.exc_text = None
    return True
