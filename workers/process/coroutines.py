"""Tasks of async actors that run in place: on the event loop of their process, without a worker thread.

A task is begun, run and ended on the loop. What may block there goes to a thread of a pool: the end of a task that
failed, was skipped or is followed by others.
"""

import asyncio
import contextvars
import inspect
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from dramatiq import Actor, Message, Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import CurrentMessage, Middleware, Shutdown, SkipMessage, TimeLimitExceeded
from dramatiq.results import Results
from dramatiq.threading import Interrupt

from apps.tasks.errors import Cancelled
from apps.tasks.results import RowBackend
from apps.tasks.values import GROUP_KEY
from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.stack import of_coroutine
from workers.process.work_queue import WorkQueue

logger = logging.getLogger(__name__)

#: An async function of an actor.
Function = Callable[..., Coroutine[Any, Any, Any]]

#: Hooks that are called around a task. Those of middleware with `on_event_loop = True`, and of these classes of
#: Dramatiq, neither block nor remember the thread.
HOOKS = tuple(
    f"{when}_{signal}" for signal in ("process_message", "skip_message", "ack", "nack") for when in ("before", "after")
)
LOOP_SAFE = (CurrentMessage,)
#: Modules whose wrappers around an async function are not needed in place.
WRAPPERS = ("workers.middleware.cancellation", "workers.middleware.connections")
#: Dramatiq's, which lets a thread wait for the function.
LAST_WRAPPER = "dramatiq.asyncio"

#: Seconds in which the loop begins tasks before it goes on with those that run.
BEGIN_SECONDS = 0.005
#: Seconds between two looks for tasks over their time limit.
LOOK_SECONDS = 0.5
#: Seconds without an answer after which the loop counts as blocked, by a coroutine that computes or waits in it.
BLOCKED_SECONDS = 1.0
#: Seconds that an interrupted task has to clean up while its worker stops, and between two looks at whether it has.
STOP_SECONDS, WAIT_SECONDS = 0.5, 0.005
#: Threads for the ends that may block.
END_THREADS = 4

#: Begin a coroutine at once, where Python can (3.12).
_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class Coroutines:
    """The tasks that run in place.

    Parameters:
      worker: Dramatiq's worker.
      most: Tasks that run at once. 0: none runs in place.
    """

    def __init__(self, worker: Worker, work_queue: WorkQueue, *, most: int) -> None:
        self.worker = worker
        self.broker: Any = worker.broker
        self.work_queue = work_queue
        self.most = most
        #: Claimed messages that the loop has not begun.
        self.waiting: deque[ClaimedMessage] = deque()
        #: Tasks whose functions run.
        self._running: dict[Attempt, asyncio.Task[None]] = {}
        #: Number of tasks that have begun on the loop and not ended there. The loop counts them.
        self._number = 0
        #: Tasks whose end is under way in the pool.
        self._ending: set[Attempt] = set()
        #: Exceptions that interrupt running tasks, and are their ends then.
        self._interrupts: dict[Attempt, BaseException] = {}
        #: Time at which the loop was called, by the monotonic clock. None: it has answered.
        self._called_at: float | None = None
        self._looks = self._has_ended = False
        self._pool: ThreadPoolExecutor | None = None
        self._functions: dict[str, tuple[Any, Function | None]] = {}
        self._listened: list[Middleware] = []
        self._is_safe = False

    # --- Which tasks ---

    def function_of(self, actor_name: str) -> Function | None:
        """Return the async function of an actor whose tasks run in place. None: they take worker threads."""
        actor = self.broker.actors.get(actor_name)
        if actor is None or not self.most or get_event_loop_thread() is None or not self._has_safe_hooks():
            return None
        known, function = self._functions.get(actor_name, (None, None))
        if known is not actor.fn:
            function = _function(actor)
            self._functions[actor_name] = actor.fn, function
        return function

    def _has_safe_hooks(self) -> bool:
        if self._listened != self.broker.middleware:
            self._listened = list(self.broker.middleware)
            listeners = {one for hook in HOOKS for one in self.broker.listeners(hook)}
            blocking = sorted(type(one).__name__ for one in listeners if not _is_loop_safe(one))
            self._is_safe = not blocking
            if blocking:
                logger.info("async tasks take worker threads, hooks may block middleware=%s", ",".join(blocking))
        return self._is_safe

    # --- For other threads ---

    def put_all(self, messages: Iterable[ClaimedMessage]) -> None:
        """Let the loop run claimed messages."""
        batch = list(messages)
        with self.work_queue.mutex:
            self.work_queue.unfinished_tasks += len(batch)
        self.waiting.extend(batch)
        self._call()

    def take_back(self) -> list[ClaimedMessage]:
        """Return the messages that have not begun. The loop begins them no more."""
        taken = []
        while self.waiting:
            try:
                taken.append(self.waiting.popleft())
            except IndexError:
                break
            self.work_queue.task_done()
        return taken

    @property
    def is_blocked(self) -> bool:
        """Whether the loop has not answered for `BLOCKED_SECONDS`."""
        called_at = self._called_at
        return called_at is not None and time.monotonic() - called_at > BLOCKED_SECONDS

    def interrupt(self, exception: type[Interrupt], *, only: Callable[[Message[Any]], bool]) -> None:
        """Interrupt running tasks, each of which ends with the exception."""
        thread = get_event_loop_thread()
        for attempt in [attempt for attempt in list(self._running) if only(attempt.message)]:
            if thread is not None:
                thread.loop.call_soon_threadsafe(self._interrupt, attempt, exception())

    def _call(self) -> None:
        thread = get_event_loop_thread()
        if self._called_at is None and thread is not None:
            self._called_at = time.monotonic()
            # In a context of its own: a task that has just ended may call, and another one must not inherit from it.
            thread.loop.call_soon_threadsafe(self._begin_waiting, context=contextvars.Context())

    def end(self, *, drain_seconds: float) -> None:
        """Wait for the ends of all tasks. After that time those that are left are interrupted, and released."""
        if self._has_ended:
            return
        self._has_ended = True
        self._wait(drain_seconds)
        self.interrupt(Shutdown, only=lambda message: True)
        self._wait(STOP_SECONDS)
        if self._pool is not None:
            self._pool.shutdown(wait=not self._ending)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (self._number or self._ending) and time.monotonic() < deadline:
            time.sleep(WAIT_SECONDS)

    # --- On the loop ---

    def _begin_waiting(self) -> None:
        """Begin tasks. Go on a moment later if there are many."""
        self._called_at = None
        loop = asyncio.get_running_loop()
        until = time.monotonic() + BEGIN_SECONDS
        while self.waiting and self._number < self.most:
            try:
                message = self.waiting.popleft()
            except IndexError:  # Another thread has taken it back.
                return
            context = contextvars.copy_context()
            self._number += 1
            asyncio.Task(self._run(message, context), loop=loop, context=context, **_EAGER)
            if time.monotonic() > until:
                self._called_at = time.monotonic()
                loop.call_soon(self._begin_waiting, context=contextvars.Context())
                return

    async def _run(self, message: ClaimedMessage, context: contextvars.Context) -> None:
        """Run a task from its first hook to its end. An error of its end is not the loop's."""
        result: Any = None
        exception: BaseException | None = None
        try:
            self.broker.emit_before("process_message", message)
            Attempt.leave()
            if not message.failed:
                result = await self._call_function(message.attempt)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and asyncio._get_running_loop() is None:
                raise  # The loop was closed before the task had ended.
            exception = error
        Attempt.leave()
        self._number -= 1
        if self.waiting:
            self._call()
        if exception is None and not message.failed and not self._is_followed(message):
            self._end(message, result=result)
        else:
            self._end_in_pool(message, context, exception, result=result)

    async def _call_function(self, attempt: Attempt) -> Any:
        """Return the result of a task's function. A request to cancel, a time limit and a shutdown interrupt it."""
        task: Any = asyncio.current_task()
        self._running[attempt] = task
        if not self._looks:
            self._looks = True
            task.get_loop().call_later(LOOK_SECONDS, self._look, context=contextvars.Context())
        cancellation = attempt.cancellation
        try:
            assert attempt.function is not None, "it runs in place"
            coroutine = attempt.function(*attempt.message.args, **attempt.message.kwargs)
            attempt.stack_of = partial(of_coroutine, coroutine, attempt.thread)
            cancellation.is_open = True
            return await cancellation.run_coroutine(coroutine, task)
        except asyncio.CancelledError as error:
            if cancellation.raised_at is not None and attempt not in self._interrupts:
                raise Cancelled from error
            raise
        finally:
            cancellation.close()
            del self._running[attempt]
            if (interrupt := self._interrupts.pop(attempt, None)) is not None:
                raise interrupt

    def _is_followed(self, message: ClaimedMessage) -> bool:
        given = message.options
        if "on_success" in given or "pipe_target" in given or GROUP_KEY in given:
            return True
        actor = self.broker.actors.get(message.actor_name)
        return actor is not None and bool(actor.options.get("on_success"))

    def _interrupt(self, attempt: Attempt, exception: Interrupt) -> None:
        if attempt in self._running and attempt not in self._interrupts:
            self._interrupts[attempt] = exception
            self._running[attempt].cancel()

    def _look(self) -> None:
        """Interrupt the tasks that are over their time limit, and look again while any runs."""
        now = time.monotonic()
        for attempt in list(self._running):
            if attempt.deadline is not None and now >= attempt.deadline:
                self._interrupt(attempt, TimeLimitExceeded())
        self._looks = bool(self._running)
        if self._looks:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    # --- The end ---

    def _end_in_pool(
        self,
        message: ClaimedMessage,
        context: contextvars.Context,
        exception: BaseException | None,
        *,
        result: Any = None,
    ) -> None:
        """End a task in a thread that may block, in the task's own context, which the loop has left by then."""
        self._ending.add(message.attempt)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(END_THREADS, thread_name_prefix="end of async tasks")
        end = partial(context.run, self._end_late, message, exception, result)
        asyncio.get_running_loop().call_soon(self._pool.submit, end, context=contextvars.Context())

    def _end_late(self, message: ClaimedMessage, exception: BaseException | None, result: Any) -> None:
        try:
            self._end(message, exception=exception, result=result)
        finally:
            self._ending.discard(message.attempt)

    def _end(self, message: ClaimedMessage, *, exception: BaseException | None = None, result: Any = None) -> None:
        """Call the hooks of the end, as Dramatiq's worker thread does, and pass the attempt on."""
        broker = self.broker
        message.attempt.enter()
        try:
            if exception is None:
                broker.emit_after("process_message", message, result=result)
            elif isinstance(exception, SkipMessage):
                if message.failed:
                    message.stuff_exception(exception)
                broker.emit_after("skip_message", message)
            else:
                message.stuff_exception(exception)
                broker.emit_after("process_message", message, exception=exception)
        finally:
            Attempt.leave()
            self.worker.consumers[message.queue_name].post_process_message(message)
            self.work_queue.task_done()
            message.clear_exception()


def _function(actor: Actor[..., Any]) -> Function | None:
    """Return the async function below the wrappers of an actor's function. None: it is none, or has others."""
    fn: Any = actor.fn
    if type(actor).__call__ is not Actor.__call__:
        return None
    while (inner := getattr(fn, "__wrapped__", None)) is not None:
        module = getattr(fn, "__globals__", {}).get("__name__")
        if module == LAST_WRAPPER:
            return inner if inspect.iscoroutinefunction(inner) else None
        if module not in WRAPPERS:
            return None
        fn = inner
    return None


def _is_loop_safe(middleware: Middleware) -> bool:
    if type(middleware) is Results:
        return isinstance(middleware.backend, RowBackend)  # It stores nothing: the row has the result.
    # The class itself says it: another one below it may have hooks that block.
    return type(middleware) in LOOP_SAFE or vars(type(middleware)).get("on_event_loop") is True
