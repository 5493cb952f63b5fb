"""Filters of log lines."""

import logging

from aiWriting.shown_address import without_secret

#: Loggers whose lines have the paths of requests.
LOGGERS_OF_REQUESTS = ("django.request", "django.security", "django.server", "uvicorn")


def drop_tracebacks_of_refusals(record: logging.LogRecord) -> bool:
    """Keep every line. Drop the tracebacks of refused requests: strangers can cause as many as they like."""
    if getattr(record, "status_code", 500) < 500:
        record.exc_info = record.exc_text = None
    return True


def hide_secrets_of_addresses(record: logging.LogRecord) -> bool:
    """Keep every line. Hide the secrets of links in e-mails, which lines about requests have in their paths."""
    if isinstance(record.args, tuple) and record.name.startswith(LOGGERS_OF_REQUESTS):
        record.args = tuple(
            without_secret(value) if isinstance(value, str) and value.startswith("/") else value
            for value in record.args
        )
    return True
