"""`manage.py runscheduler`: sends the tasks of all schedules at their slots."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.connections import keep_no_statements
from workers.management.metrics_port import check_port, show_metrics
from workers.process.main import leave
from workers.process.stop_request import StopRequest
from workers.scheduler import Scheduler


class Command(BaseCommand):
    help = "Sends the tasks of all schedules at their slots. Any number may run: a slot is sent once."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--metrics-port", type=int, help="show metrics of this process on this port")

    def handle(self, *args: Any, **options: Any) -> None:
        check_port(options["metrics_port"])
        keep_no_statements()
        show_metrics(options["metrics_port"])
        stop = StopRequest()
        stop.install()
        # Without a wait for the threads of its pools, which may wait for a database that does not answer.
        leave(Scheduler().run(stop))
