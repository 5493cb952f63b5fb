"""`isolate=True` and the limits of time, memory and processor time, which end a task without harm to its worker."""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from dramatiq import Actor, Middleware, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Shutdown

from apps.tasks.conf import conf
from workers.isolation import kernel
from workers.isolation.fork_server import ForkServer
from workers.isolation.isolated import Isolated
from workers.isolation.limits import LIMITS, Limits, limits_of
from workers.isolation.message import Job
from workers.isolation.places import Places
from workers.process.attempt import Attempt, ClaimedMessage

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)

#: Seconds that a stopping worker process waits for the end of its isolated tasks, before it releases them.
STOP_SECONDS = 2.0


class Isolation(Middleware):
    """Runs the function of an isolated actor in a child process. All else of the task stays in its worker process.

    It stands after all middleware that wraps an actor's function: what that does belongs to the child.
    """

    on_event_loop = True

    def __init__(self) -> None:
        self.server = ForkServer()
        self.places = Places()
        #: Limits of the isolated actors, by name.
        self.limits: dict[str, Limits] = {}

    @property
    def actor_options(self) -> set[str]:
        """Options that an actor may be declared with. Each of the others implies `isolate`.

        isolate: True to run in a child process.
        hard_time_limit: Milliseconds, or a timedelta, after which its processes are killed.
        memory_limit: Memory of its processes, such as "512 MB".
        cpu_limit: Seconds of processor time, or a timedelta.
        """
        return {"isolate", *LIMITS}

    @property
    def message_options(self) -> set[str]:
        """None. The function is wrapped once, when its actor is declared."""
        return set()

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        """Let the actor's function run in a child.

        Raises:
          BadIsolationError: An option has a wrong value, or two do not go together.
        """
        self.limits.pop(actor.actor_name, None)
        if (limits := limits_of(actor.actor_name, actor.options)) is not None:
            self.limits[actor.actor_name] = limits
            actor.fn = self._in_child(actor.actor_name, actor.fn, limits)

    def before_worker_boot(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        """Start the server ahead of the first isolated task, if this process takes any."""
        self.places.open(conf.WORKER_ISOLATED if broker.isolated is None else broker.isolated)
        queues = worker.consumer_whitelist or broker.get_declared_queues()
        if any(broker.actors[name].queue_name in queues for name in self.limits if name in broker.actors):
            self.server.start()
            if missing := kernel.not_held():
                logger.warning("isolation is incomplete on this system missing=%r", "; ".join(missing))

    def after_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        """Kill what still runs. The tasks are released after this."""
        running = self.places.close()
        for isolated in running:
            isolated.stop(Shutdown())
        deadline = time.monotonic() + STOP_SECONDS
        for isolated in running:
            isolated.join(max(deadline - time.monotonic(), 0))
        self.server.stop()

    def after_process_message(  # type: ignore[override]
        self,
        broker: "LedgerBroker",
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Let the outcome tell the exception as the child saw it: its traceback stayed there."""
        if exception is not None and isinstance(message, ClaimedMessage):
            message.attempt.failure = message.attempt.child_failure

    def _in_child(self, actor_name: str, fn: Callable[..., Any], limits: Limits) -> Callable[..., Any]:
        """Return the function, which runs in a child when a worker runs the actor."""

        @wraps(fn)
        def run(*args: Any, **kwargs: Any) -> Any:
            attempt = Attempt.current()
            if attempt is None or attempt.is_in_child or attempt.message.actor_name != actor_name:
                # Called as a function, perhaps by another actor, or this is the child.
                return fn(*args, **kwargs)
            return self._run(attempt, args, kwargs, limits)

        return run

    def _run(self, attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any], limits: Limits) -> Any:
        job = Job(
            actor_name=attempt.message.actor_name,
            args=args,
            kwargs=kwargs,
            message=attempt.message.asdict(),
            claim=attempt.claim,
            owner_id=attempt.owner_id,
            line=attempt.line,
            started=attempt.started or 0.0,
            limits=limits,
        )
        isolated = Isolated(attempt, job)
        try:
            self.places.take(isolated)
            attempt.stack_of = isolated.stack
            return isolated.run(*self.server.fork())
        finally:
            attempt.stack_of = None
            isolated.give_up()
            self.places.give(isolated)
            # Nothing is cancelled here any more, by whatever thread.
            attempt.cancellation.close()
