"""`manage.py runrelay`: one relay, apart from the workers."""

import signal
import threading
from types import FrameType
from typing import Any, cast

import dramatiq
from django.core.management.base import BaseCommand

from apps.core.connections import keep_no_statements
from workers.broker import LedgerBroker
from workers.relay import Relay


class Command(BaseCommand):
    help = "Runs a relay: publishes due and lost tasks, and takes tasks back from dead workers. Any number may run."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        keep_no_statements()
        stop = threading.Event()

        def ask_to_stop(signum: int, frame: FrameType | None) -> None:
            stop.set()

        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, ask_to_stop)
        Relay(cast(LedgerBroker, dramatiq.get_broker())).run(stop)
