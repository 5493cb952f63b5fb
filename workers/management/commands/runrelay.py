"""`manage.py runrelay`: one relay, apart from the workers."""

from argparse import ArgumentParser
from typing import Any, cast

import dramatiq
from django.core.management.base import BaseCommand, CommandError

from apps.core.connections import keep_no_statements
from workers.broker import LedgerBroker
from workers.management.metrics_port import check_port, show_metrics
from workers.process.stop_request import StopRequest
from workers.relay import Relay
from workers.wire.server import unsuited


class Command(BaseCommand):
    help = "Runs a relay: publishes due and lost tasks, and takes tasks back from dead workers. Any number may run."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--metrics-port", type=int, help="show metrics of this process on this port")

    def handle(self, *args: Any, **options: Any) -> None:
        broker = cast(LedgerBroker, dramatiq.get_broker())
        if reason := unsuited(broker.wire):
            raise CommandError(reason)
        check_port(options["metrics_port"])
        keep_no_statements()
        show_metrics(options["metrics_port"], has_relay=True)
        stop = StopRequest()
        stop.install()
        Relay(broker).run(stop)
