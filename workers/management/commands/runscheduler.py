"""`manage.py runscheduler`: sends the tasks of all schedules at their slots."""

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.connections import keep_no_statements
from workers.scheduler import Scheduler


class Command(BaseCommand):
    help = "Sends the tasks of all schedules at their slots. Any number may run: a slot is sent once."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        keep_no_statements()
        stop = threading.Event()

        def ask_to_stop(signum: int, frame: FrameType | None) -> None:
            stop.set()

        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, ask_to_stop)
        Scheduler().run(stop)
