"""Builds, starts and stops the parts of one worker process."""

import contextlib
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import redis
from django.db import transaction
from dramatiq import Actor, Worker
from dramatiq.common import iter_queue
from dramatiq.worker import _WorkQueueItem as WorkQueueItem

from apps.core import connections
from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess
from apps.tasks.signals import worker_stopping
from workers.process import fork, identity, time_limits
from workers.process.attempt import ClaimedMessage
from workers.process.consumer import LedgerConsumer
from workers.process.coroutines import Coroutines
from workers.process.heartbeat import Heartbeat
from workers.process.holdings import Holdings
from workers.process.rebalancer import Rebalancer
from workers.process.reconciler import Reconciler
from workers.process.recycling import Recycling
from workers.process.requests import Requests
from workers.process.vitals import VitalSigns
from workers.process.weights import weight_of
from workers.process.work_queue import WorkQueue
from workers.process.writer import Writer
from workers.wire.errors import UNREACHABLE
from workers.wire.queue import WireQueue

logger = logging.getLogger(__name__)


class Runtime:
    """One worker process, from its boot to its end. Each process makes its own: a fork must not share it.

    Parameters:
      worker: Dramatiq's worker, which has the threads.
      wire: Redis.
      actors: The known actors by name.
      queues: Returns the names of the declared queues.
      weights: Weights of queues. Others have those of the settings.
      settle_groups: Looks at the groups that wait for one of these tasks, after their outcomes are written.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        wire: WireQueue,
        actors: Mapping[str, Actor[..., Any]],
        queues: Callable[[], Iterable[str]],
        weights: Mapping[str, int] = MappingProxyType({}),
        settle_groups: Callable[[list[str]], object] = lambda task_ids: None,
    ) -> None:
        self.worker = worker
        self.work_queue = worker.work_queue = WorkQueue()  # type: ignore[assignment]
        self.wire = wire
        self.actors = actors
        self.queues = queues
        self.worker_id = uuid.uuid4()
        self.stopping = threading.Event()
        #: Set when a relay has declared this process dead.
        self.refused = threading.Event()
        #: Set while an operator wants the process to take nothing new.
        self.quiet = threading.Event()
        #: Whether an operator asked the process to stop.
        self.is_stop_requested = False
        self.heartbeat = Heartbeat(
            self.worker_id,
            timeout_seconds=conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS,
            on_refused=self._refuse,
            vitals=lambda: self.vital_signs.read(),
            on_wanted=self._take_request,
        )
        self.holdings = Holdings(
            self.worker_id,
            threads=worker.worker_threads,
            in_place=conf.WORKER_ASYNC_TASKS,
            may_start=self.may_start,
            weight_of=lambda queue_name: weights.get(queue_name) or weight_of(queue_name),
        )
        self.recycling = Recycling(self.holdings)
        self.coroutines = Coroutines(worker, self.work_queue, most=conf.WORKER_ASYNC_TASKS)
        self.holdings.in_place.is_closed = lambda: self.coroutines.is_blocked
        self.rebalancer = Rebalancer(self.holdings, wire, self.work_queue, self.coroutines)
        self.writer = Writer(self.holdings, wire, self.rebalancer, settle_groups=settle_groups)
        self.vital_signs = VitalSigns(
            self.holdings,
            self.writer,
            worker,
            actors=actors,
            is_ending=lambda: self.stopping.is_set() or self.recycling.is_due or self.quiet.is_set(),
            is_quiet=self.quiet.is_set,
            is_fresh=lambda: self.heartbeat.is_fresh,
        )
        self.requests = Requests(self.holdings, wire)
        self.reconciler = Reconciler(
            self.holdings,
            wire,
            self.writer,
            worker,
            self.work_queue,
            self.coroutines,
            queues=queues,
            stopping=self.stopping,
        )

    def may_start(self) -> bool:
        """Return whether tasks may be fetched and started now."""
        is_to_end = self.stopping.is_set() or self.quiet.is_set() or self.recycling.is_due
        return not is_to_end and self.heartbeat.is_fresh

    def consumer(self, queue_name: str, *, timeout_seconds: float) -> LedgerConsumer:
        """Return a consumer of one queue."""
        function_of = self.coroutines.function_of
        kinds = {
            function_of(actor.actor_name) is not None
            for actor in self.actors.values()
            if actor.queue_name == queue_name
        }
        if kinds == {True}:
            self.holdings.queues_in_place.add(queue_name)
        return LedgerConsumer(
            queue_name,
            holdings=self.holdings,
            wire=self.wire,
            writer=self.writer,
            actors=self.actors,
            timeout_seconds=timeout_seconds,
            hand_over=self._hand_over,
            function_of=function_of,
            is_mixed=len(kinds) > 1,
        )

    def _hand_over(self, messages: list[ClaimedMessage]) -> None:
        for_threads = [message for message in messages if message.attempt.function is None]
        if for_threads:
            self.work_queue.put_all(WorkQueueItem(0, message) for message in for_threads)
        if len(for_threads) < len(messages):
            self.coroutines.put_all(message for message in messages if message.attempt.function is not None)

    def start(self) -> None:
        """Register the process and start its threads."""
        from apps.tasks import presence

        fork.prepare()
        me = identity.of_this_process()
        presence.register(
            self.worker_id,
            broker_id=self.holdings.broker_id,
            host=me.host,
            hostname=me.hostname,
            pid=me.pid,
            process_started=me.started,
            queues=sorted(self.worker.consumer_whitelist or self.queues()),
            threads=self.worker.worker_threads,
        )
        self.holdings.paused.look()
        # After this thread began to use the database: it ends without waiting for a connection.
        connections.watch()
        connections.close_idle()
        self.writer.start()
        self.heartbeat.start()
        self.reconciler.start()
        self.requests.start()
        logger.info("worker started worker=%s pid=%d threads=%d", self.worker_id, me.pid, self.worker.worker_threads)

    def dead_threads(self) -> list[str]:
        """Return the names of dead threads without which the process cannot go on. Dead others are replaced."""
        essential: list[threading.Thread] = [self.writer, self.heartbeat, self.reconciler, self.requests]
        for middleware in self.worker.broker.middleware:
            essential += getattr(middleware, "essential_threads", ())
        return [thread.name for thread in essential if thread.ident and not thread.is_alive()]

    def stop_fetching(self) -> None:
        """Fetch nothing from now on and end the wait of every consumer."""
        self.stopping.set()
        self._wake_consumers()

    def _wake_consumers(self) -> None:
        with contextlib.suppress(redis.RedisError):  # Away or full: each consumer wakes by itself seconds later.
            self.wire.wake(self.holdings.broker_id, count=len(self.worker.consumers))

    def release_waiting(self) -> None:
        """Release the claimed tasks that wait for a thread."""
        for item in iter_queue(self.work_queue):
            self.worker.consumers[item.message.queue_name].requeue_messages([item.message])
            self.work_queue.task_done()
        for message in self.coroutines.take_back():
            self.worker.consumers[message.queue_name].requeue_messages([message])

    def finish(self) -> bool:
        """Release the tasks that wait for a thread. Return whether no other is left, but for overdue ones."""
        self.release_waiting()
        return all(time_limits.is_overdue(attempt, self.actors) for attempt in list(self.holdings.held.values()))

    def close(self, *, timeout_seconds: float = 3.0) -> None:
        """Write the outcomes, release and requeue the rest, and sign off.

        Parameters:
          timeout_seconds: Seconds to wait for the threads, in all.
        """
        from apps.tasks import ledger, presence

        deadline = time.monotonic() + timeout_seconds
        self.stopping.set()
        self.reconciler.end()
        self.requests.end()
        self.writer.close(timeout_seconds=timeout_seconds)
        for thread in (self.reconciler, self.requests):
            thread.join(max(deadline - time.monotonic(), 0))
        self.heartbeat.stop(timeout_seconds=max(deadline - time.monotonic(), 0))
        worker_stopping.send_robust(type(self), timeout_seconds=max(deadline - time.monotonic(), 0))
        try:
            # Last: a task that still runs goes on until the process is gone, and others may start it from here on.
            with transaction.atomic():
                released = ledger.release_all(self.worker_id)
                presence.stop(self.worker_id, ended=self.recycling.ended or WorkerProcess.ENDED_STOPPED)
            for queue_name in self.queues():
                self.wire.requeue(queue_name, self.holdings.broker_id)
            logger.info("worker stopped worker=%s released=%d", self.worker_id, released)
        except UNREACHABLE as error:
            logger.error("redis does not answer, a relay requeues what was fetched error=%s", error)
        finally:
            connections.unwatch()

    def _take_request(self, wanted: str) -> None:
        """Do as an operator wants. The heartbeat passes the request on at each beat."""
        if wanted == WorkerProcess.WANTED_STOP:
            if not self.is_stop_requested:
                self.is_stop_requested = True
                logger.info("worker is asked to stop worker=%s", self.worker_id)
                os.kill(os.getpid(), signal.SIGTERM)
        elif wanted == WorkerProcess.WANTED_QUIET:
            if not self.quiet.is_set():
                self.quiet.set()
                logger.info("worker is quiet worker=%s", self.worker_id)
                self._wake_consumers()
            # Others take them. A consumer may have claimed some since the last beat.
            self.release_waiting()
        elif self.quiet.is_set():
            self.quiet.clear()
            logger.info("worker takes tasks again worker=%s", self.worker_id)

    def _refuse(self) -> None:
        self.stopping.set()
        self.refused.set()
