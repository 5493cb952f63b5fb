"""`manage.py runrelay`: one relay, apart from the workers."""

import signal
import threading
from types import FrameType
from typing import Any, cast

import dramatiq
from django.core.management.base import BaseCommand, CommandError

from workers.broker import LedgerBroker
from workers.relay import Relay
from workers.wire.server import unsuited


class Command(BaseCommand):
    help = "Runs a relay: publishes due and lost tasks, and takes tasks back from dead workers. Any number may run."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        broker = cast(LedgerBroker, dramatiq.get_broker())
        if reason := unsuited(broker.wire):
            raise CommandError(reason)
        stop = threading.Event()

        def ask_to_stop(signum: int, frame: FrameType | None) -> None:
            stop.set()

        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, ask_to_stop)
        Relay(broker).run(stop)
