"""Dramatiq's time limit, with the default of `TASK_TIME_LIMIT_MS`."""

import threading
import time
from typing import Any

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import TimeLimit

from apps.tasks.conf import conf
from workers.process.attempt import is_in_place
from workers.process.time_limits import limit_ms_of


class DefaultTimeLimit(TimeLimit):
    """Interrupts a task that runs longer than its actor's `time_limit`, or than `TASK_TIME_LIMIT_MS`."""

    on_event_loop = True

    def __init__(self) -> None:
        super().__init__(time_limit=conf.TASK_TIME_LIMIT_MS)

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Note the end of the time. A task in place has no thread of its own to interrupt."""
        if is_in_place(message):
            limit_ms = limit_ms_of(message, broker.get_actor(message.actor_name))
            message.attempt.deadline = time.monotonic() + limit_ms / 1000
        else:
            super().before_process_message(broker, message)

    def after_process_message(self, broker: Broker, message: MessageProxy, **ended: Any) -> None:
        if not is_in_place(message):
            super().after_process_message(broker, message, **ended)

    after_skip_message = after_process_message

    @property
    def essential_threads(self) -> list[threading.Thread]:
        """Threads without which the process must end."""
        return [self.manager] if isinstance(self.manager, threading.Thread) else []
