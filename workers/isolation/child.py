"""A child: the process that runs the function of one isolated task."""

import logging
import math
import os
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import dramatiq
import psutil
from django.db import connections as django_connections
from django.db.backends.signals import connection_created
from dramatiq import Message
from dramatiq.middleware import CurrentMessage

from apps.core import connections
from apps.tasks import progress
from workers.isolation import kernel
from workers.isolation.limits import Limits
from workers.isolation.line import Line
from workers.isolation.message import Connected, Job, Raised, Reported, Returned, Started, pack_exception, pack_result
from workers.process import fork
from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.failure import Failure
from workers.process.stop_request import STOP_SIGNALS

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)

#: The kernel refuses memory beyond this multiple of the limit and this much more. It counts what is asked for, and not
#: what is used, so it is only for what grows faster than the keeper looks.
DATA_FACTOR = 2
DATA_SPARE_BYTES = 256 * 10**6
#: Seconds of processor time after the limit at which the kernel kills a process by itself.
CPU_SPARE_SECONDS = 2
#: Exit code of a child that could not send how its function ended.
EXIT_NO_LINE = 71


def run(channel_fd: int) -> NoReturn:
    """Run the function of the job that the socket brings, and end the process."""
    code = 1
    try:
        kernel.die_with_parent()
        os.setsid()
        for signum in STOP_SIGNALS:
            # Platforms signal every process. A program that the function starts has the default handlers again.
            signal.signal(signum, _go_on)
        code = _work(Connection(channel_fd))
    except BaseException:
        logger.exception("isolated task could not be run")
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        # Not by the usual way: threads that the function has left, and hooks of the server's, must not keep it.
        os._exit(code)


def _go_on(signum: int, frame: FrameType | None) -> None:
    """Leave the end to the worker process."""


def _work(channel: Connection) -> int:
    """Run the function and send how it ended. Return the exit code."""
    job: Job = channel.recv()
    attempt = Attempt(Message(**job.message), job.claim, owner_id=job.owner_id, line=job.line)
    attempt.is_in_child = True
    line = Line(channel, attempt)
    pid = os.getpid()
    _limit(job.limits)
    line.send(Started(pid))
    broker = cast("LedgerBroker", dramatiq.get_broker())
    message = ClaimedMessage(attempt)
    fork.prepare()
    connections.begin_child()
    connections.watch()
    connections.own()
    connection_created.connect(_Announcer(line), weak=False)
    broker.emit_before("child_work", message)
    CurrentMessage().before_process_message(broker, message)
    progress.bind(attempt.reporter)
    attempt.begin()
    attempt.started = job.started
    error: BaseException | None = None
    result: Any = None
    line.open()
    try:
        try:
            line.begin()
            result = broker.get_actor(job.actor_name).fn(*job.args, **job.kwargs)
        finally:
            line.end()
    except BaseException as raised:
        error = raised
    if os.getpid() != pid:
        return 0  # A process that the function forked has returned from it, too.
    put_off = None if attempt.put_off_ms is None else (attempt.put_off_ms, attempt.options or {})
    if error is None:
        end: Returned | Raised = Returned(pack_result(result), attempt.written, put_off)
    else:
        is_cancelled = attempt.cancellation.ends(error)
        end = Raised(pack_exception(error), Failure.of(error), attempt.written, is_cancelled, put_off)
    broker.emit_after("child_work", message, result=result, exception=error)
    with suppress(Exception):
        broker.wire.settle()
    with suppress(Exception):
        django_connections.close_all()
    line.send_log()
    line.send(Reported(*attempt.reporter.take()))
    return 0 if line.send(end) else EXIT_NO_LINE


class _Announcer:
    """Tells the worker process which processes of PostgreSQL serve this one. If this one is killed, it ends them."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def __call__(self, *, connection: Any, **kwargs: Any) -> None:
        if connection.vendor == "postgresql" and not connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
            # Behind a pooler the number would be the pooler's.
            self.line.send(Connected(connection.alias, connection.connection.info.backend_pid))


def _limit(limits: Limits) -> None:
    """Set the kernel's limits, beyond those that the keeper holds."""
    if limits.memory_bytes is not None and kernel.IS_LINUX:
        most = psutil.Process().memory_info().data + DATA_FACTOR * limits.memory_bytes + DATA_SPARE_BYTES
        _set_limit(resource.RLIMIT_DATA, most)
    if limits.cpu_seconds is not None:
        _set_limit(resource.RLIMIT_CPU, math.ceil(limits.cpu_seconds) + CPU_SPARE_SECONDS)


def _set_limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))
