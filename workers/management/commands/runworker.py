"""`manage.py runworker`: worker processes and a relay, each replaced when it dies."""

import logging
import os
import sys
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any, cast

import dramatiq
from django.core.management.base import BaseCommand, CommandError

from apps.core.connections import keep_no_statements
from apps.tasks.conf import conf
from apps.tasks.errors import TaskError
from workers.broker import LedgerBroker
from workers.process import weights
from workers.process.import_path import own_path
from workers.process.main import leave, work
from workers.process.voucher import Voucher
from workers.supervision.supervisor import Child, Supervisor
from workers.wire.server import unsuited

logger = logging.getLogger(__name__)

#: Seconds that a process needs after its running tasks had their time: to write, to release and to sign off.
CLOSING_SECONDS = 4.0
#: Order in which the children are stopped. The relay comes last: it publishes the tasks that the workers release.
WORKERS, RELAY = 0, 1


class Command(BaseCommand):
    help = "Runs worker processes and a relay, and replaces each that dies."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--processes", type=int, default=conf.WORKER_PROCESSES, help="default: %(default)s")
        parser.add_argument("--threads", type=int, default=conf.WORKER_THREADS, help="default: %(default)s")
        parser.add_argument(
            "--isolated",
            type=int,
            default=conf.WORKER_ISOLATED,
            metavar="N",
            help="isolated tasks that run at once in a process; 0: no limit; default: %(default)s",
        )
        parser.add_argument(
            "--queues",
            nargs="*",
            default=[],
            help="take from these only, with their weights, such as documents:3,default:1; default: all",
        )
        parser.add_argument("--no-relay", action="store_true", help="do not run a relay beside the workers")
        parser.add_argument("--single", action="store_true", help="be one worker process, without a supervisor")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("processes", "threads"):
            if options[name] < 1:
                raise CommandError(f"--{name} is {options[name]}, must be at least 1")
        if options["isolated"] < 0:
            raise CommandError(f"--isolated is {options['isolated']}, must be 0 or more")
        try:
            options["queues"] = weights.parse(options["queues"])
        except TaskError as error:
            raise CommandError(str(error)) from None
        if reason := unsuited(cast(LedgerBroker, dramatiq.get_broker()).wire):
            raise CommandError(reason)
        if options["single"]:
            keep_no_statements()
            self._work(options)
        with suppress(KeyboardInterrupt), Supervisor() as supervisor:
            children = self.children_of(options)
            for child in children:
                supervisor.start(child)
            workers = [child.name for child in children if child.stop_order == WORKERS]
            voucher = Voucher(lambda: [pid for name in workers if (pid := supervisor.pid(name)) is not None])
            voucher.start()
            sys.exit(supervisor.run())

    def _work(self, options: dict[str, Any]) -> None:
        code = 1
        try:
            code = work(
                queues=options["queues"],
                threads=options["threads"],
                isolated=options["isolated"],
                drain_seconds=conf.WORKER_DRAIN_SECONDS,
            )
        except BaseException:
            logger.exception("worker failed")
        # Also after an error: at its own end Python waits for threads that tasks have started.
        leave(code)

    def children_of(self, options: dict[str, Any]) -> list[Child]:
        """Return the processes to keep running."""
        # A worker thread keeps its connection from task to task.
        env = {"DATABASE_CONN_MAX_AGE": "60"} | os.environ
        # -P: a module in the folder where the command was started must not hide another one.
        django = [sys.executable, "-P", "-m", "django"]
        env["PYTHONPATH"] = os.pathsep.join(own_path())
        queues = [f"{name}:{weight}" for name, weight in options["queues"].items()]
        numbers = ["--threads", str(options["threads"]), "--isolated", str(options["isolated"])]
        queues = ["--queues", *queues] if queues else []
        children = [
            Child(
                name=f"worker {number}",
                argv=[*django, "runworker", "--single", *numbers, *queues],
                env=env,
                stop_order=WORKERS,
                grace_seconds=conf.WORKER_DRAIN_SECONDS + CLOSING_SECONDS,
            )
            for number in range(1, options["processes"] + 1)
        ]
        if not options["no_relay"]:
            children.append(
                Child(
                    name="relay",
                    argv=[*django, "runrelay"],
                    env=env,
                    stop_order=RELAY,
                    grace_seconds=CLOSING_SECONDS,
                )
            )
        return children
