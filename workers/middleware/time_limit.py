"""Dramatiq's time limit, with the default of `TASK_TIME_LIMIT_MS`."""

import threading

from dramatiq.middleware import TimeLimit

from apps.tasks.conf import conf


class DefaultTimeLimit(TimeLimit):
    """Interrupts a task that runs longer than its actor's `time_limit`, or than `TASK_TIME_LIMIT_MS`."""

    def __init__(self) -> None:
        super().__init__(time_limit=conf.TASK_TIME_LIMIT_MS)

    @property
    def essential_threads(self) -> list[threading.Thread]:
        """Threads without which the process must end."""
        return [self.manager] if isinstance(self.manager, threading.Thread) else []
