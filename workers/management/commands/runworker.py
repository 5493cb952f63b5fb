"""`manage.py runworker`: worker processes and a relay, each replaced when it dies."""

import logging
import os
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import dramatiq
from django.core.management.base import BaseCommand, CommandError

from apps.core.connections import keep_no_statements
from apps.tasks.conf import conf
from apps.tasks.errors import TaskError
from workers.broker import LedgerBroker
from workers.liveness.file import ProbeFile
from workers.liveness.port import ProbePort
from workers.liveness.probe import Door, Probe
from workers.management.metrics_port import check_port, metrics_port, show_metrics
from workers.process import memory, middleware_fork, weights
from workers.process.import_path import instrumenting_path, own_path
from workers.process.main import EXIT_RECYCLED, leave, work
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
        parser.add_argument(
            "--max-tasks",
            type=int,
            default=conf.WORKER_MAX_TASKS,
            help="replace a process after that many tasks; 0: never; default: %(default)s",
        )
        parser.add_argument(
            "--max-memory-mb",
            type=int,
            default=conf.WORKER_MAX_MEMORY_MB,
            help="replace a process above that many MB of memory; 0: never; default: %(default)s",
        )
        parser.add_argument("--no-relay", action="store_true", help="do not run a relay beside the workers")
        parser.add_argument(
            "--probe-file", help="touch this file while the worker processes work, and delete it while they do not"
        )
        parser.add_argument(
            "--probe-port", type=int, help="answer HTTP on this port: 200 while the worker processes work, else 503"
        )
        parser.add_argument(
            "--metrics-port",
            type=int,
            help="show metrics of the relay on this port, and of each worker process on one of the next",
        )
        parser.add_argument("--single", action="store_true", help="be one worker process, without a supervisor")
        parser.add_argument("--fork", metavar="MODULE:FUNCTION", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["fork"]:
            sys.exit(middleware_fork.run(options["fork"]))
        for name in ("processes", "threads"):
            if options[name] < 1:
                raise CommandError(f"--{name} is {options[name]}, must be at least 1")
        for name in ("isolated", "max_tasks", "max_memory_mb"):
            if options[name] < 0:
                flag = f"--{name.replace('_', '-')}"
                raise CommandError(f"{flag} is {options[name]}, must be at least 1, or 0 for no limit")
        used_mb = memory.resident_mb()
        if 0 < options["max_memory_mb"] <= used_mb:
            raise CommandError(
                f"--max-memory-mb is {options['max_memory_mb']}, but a process has {used_mb} MB before its first task"
            )
        try:
            options["queues"] = weights.parse(options["queues"])
        except TaskError as error:
            raise CommandError(str(error)) from None
        if reason := unsuited(cast(LedgerBroker, dramatiq.get_broker()).wire):
            raise CommandError(reason)
        doors = _doors(options)
        check_port(options["metrics_port"], children=0 if options["single"] else options["processes"])
        if options["single"]:
            keep_no_statements()
            show_metrics(options["metrics_port"])
            self._work(options, doors)
        with suppress(KeyboardInterrupt), Supervisor() as supervisor:
            try:
                children = self.children_of(options)
            except middleware_fork.BadForkError as error:
                raise CommandError(str(error)) from None
            for child in children:
                supervisor.start(child)
            workers = [child.name for child in children if child.stop_order == WORKERS]
            voucher = Voucher(lambda: [pid for name in workers if (pid := supervisor.pid(name)) is not None])
            voucher.start()
            supervisor.on_exit = lambda child, pid, returncode: voucher.bury(pid, returncode)
            with _probe(voucher.pids, doors):
                sys.exit(supervisor.run())

    def _work(self, options: dict[str, Any], doors: list[Door]) -> None:
        code = 1
        try:
            with _probe(lambda: [os.getpid()], doors):
                code = self._run_single(options)
        except BaseException:
            logger.exception("worker failed")
        # Also after an error: at its own end Python waits for threads that tasks have started.
        leave(code)

    def _run_single(self, options: dict[str, Any]) -> int:
        return work(
            queues=options["queues"],
            threads=options["threads"],
            isolated=options["isolated"],
            drain_seconds=conf.WORKER_DRAIN_SECONDS,
            max_tasks=options["max_tasks"],
            max_memory_mb=options["max_memory_mb"],
        )

    def children_of(self, options: dict[str, Any]) -> list[Child]:
        """Return the processes to keep running."""
        # A worker thread keeps its connection from task to task.
        env = {"DATABASE_CONN_MAX_AGE": "60"} | os.environ
        # -P: a module in the folder where the command was started must not hide another one.
        django = [sys.executable, "-P", "-m", "django"]
        env["PYTHONPATH"] = os.pathsep.join([*instrumenting_path(), *own_path()])
        queues = [f"{name}:{weight}" for name, weight in options["queues"].items()]
        numbers = ["--threads", str(options["threads"]), "--isolated", str(options["isolated"])]
        queues = ["--queues", *queues] if queues else []
        limits = ["--max-tasks", str(options["max_tasks"]), "--max-memory-mb", str(options["max_memory_mb"])]
        children = [
            Child(
                name=f"worker {number}",
                argv=[*django, "runworker", "--single", *numbers, *limits, *queues, *metrics_port(options, number)],
                env=env,
                stop_order=WORKERS,
                grace_seconds=conf.WORKER_DRAIN_SECONDS + CLOSING_SECONDS,
                planned_code=EXIT_RECYCLED,
            )
            for number in range(1, options["processes"] + 1)
        ]
        children += [
            Child(
                name=path.rpartition(":")[2].strip("_"),
                argv=[*django, "runworker", "--fork", path],
                env=env,
                stop_order=RELAY,
                grace_seconds=CLOSING_SECONDS,
            )
            for path in middleware_fork.paths_of(dramatiq.get_broker())
        ]
        if not options["no_relay"]:
            children.append(
                Child(
                    name="relay",
                    argv=[*django, "runrelay", *metrics_port(options)],
                    env=env,
                    stop_order=RELAY,
                    grace_seconds=CLOSING_SECONDS,
                )
            )
        return children


def _doors(options: dict[str, Any]) -> list[Door]:
    """Open the doors of the probe that are wanted.

    Raises:
      CommandError: The file cannot be written, or the port not be used.
    """
    doors: list[Door] = []
    if options["probe_file"] is not None:
        try:
            doors.append(ProbeFile(Path(options["probe_file"])))
        except OSError as error:
            raise CommandError(f"--probe-file {options['probe_file']} cannot be written: {error.strerror}") from None
    if (port := options["probe_port"]) is not None:
        if not 1 <= port <= 65535:
            raise CommandError(f"--probe-port is {port}, must be 1 to 65535")
        try:
            doors.append(ProbePort(port))
        except OSError as error:
            raise CommandError(f"--probe-port {port} cannot be used: {error.strerror}") from None
    return doors


@contextmanager
def _probe(pids: Callable[[], Iterable[int]], doors: list[Door]) -> Iterator[None]:
    """Judge the processes during the block, if there is a door to show the verdict."""
    if not doors:
        yield
        return
    probe = Probe(pids, broker=dramatiq.get_broker(), doors=doors)
    probe.start()
    try:
        yield
    finally:
        probe.stop()
