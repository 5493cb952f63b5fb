"""Levels of log lines, by the names that the settings use."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from apps.tasks.errors import TaskError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class BadLevelError(TaskError, ImproperlyConfigured):
    """TASK_LOG_LEVEL is 'LOUD', must be one of: DEBUG, INFO, WARNING, ERROR, CRITICAL"""


def parsed(value: Any) -> str:
    """Return the level of the setting TASK_LOG_LEVEL. Raises: BadLevelError: It is none."""
    if value not in LEVELS:
        raise BadLevelError(f"TASK_LOG_LEVEL is {value!r:.80}, must be one of: {', '.join(LEVELS)}")
    return str(value)
