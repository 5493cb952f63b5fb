"""Lets a request to cancel reach a running attempt: in the actor's function, and nowhere else.

Python can raise an exception in another thread, at the next instruction that the thread runs. The code around the
actor's function must never get one: the ledger, the writer's inbox, the locks of publishers. So the exception is raised
only while a window is open, which is the actor's function without its shielded sections. Each side writes first and
looks then: the thread closes the window and looks for a request, the request is noted before the look at the window. If
both see each other, a lock lets the thread wait until nothing is under way any more.
"""

import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from dramatiq.threading import Interrupt, raise_thread_exception

from apps.core import connections
from apps.tasks.errors import Cancelled

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds after which the exception is raised again in a task that goes on. Until then it may clean up.
AGAIN_SECONDS = 10.0
#: Seconds between two tries while the task is where nothing may be raised: the shortest and the longest.
TRY_SECONDS = (0.005, 0.05)
#: Packages that an exception must not cut: it could leave a lock locked that other threads need.
UNCUT = ("workers", "apps.tasks", "apps.core", "logging", "importlib")

_begin = threading.Lock()


class Cancellation:
    """The cancellation of one attempt. Until it is requested, a task pays for an empty object.

    `run` opens the window. `request` may be called by any thread, and `deliver` as often as is needed.
    """

    #: Whether the task is to be cancelled.
    is_requested = False
    #: Last time at which the exception was raised in the task, by the monotonic clock.
    raised_at: float | None = None
    #: Whether the actor's function runs.
    is_open = False
    #: The task was cancelled and its function has ended: nothing of it starts any more.
    _has_ended = False
    #: Number of shielded sections that threads of the task are in.
    _sections = 0
    #: The thread of the actor's function.
    _thread_id: int | None = None
    #: The thread of the event loop that runs the coroutine of an async actor, and what cancels it.
    _loop_thread_id: int | None = None
    _cancel_coroutine: Callable[[], object] | None = None
    #: Threads of pools that run a function of the task.
    _pool_thread_ids: "set[int] | tuple[()]" = ()
    _lock: threading.Lock
    _closed: threading.Event

    # --- The request ---

    def request(self) -> bool:
        """Note the request. Return whether it is the first one."""
        with _begin:
            if self.is_requested:
                return False
            self._lock, self._closed = threading.Lock(), threading.Event()
            self.is_requested = True
            return True

    def deliver(self) -> None:
        """Raise the exception in the task, or cancel its coroutine, unless it is in a section or cleans up."""
        with self._lock:
            if not self.is_open or self._sections or not self._is_due:
                return
            cancel = self._cancel_coroutine
            if cancel is None and not may_land(sys._current_frames().get(self._thread_id or 0)):
                return
            # First: the task may end before this thread goes on.
            self.raised_at = time.monotonic()
            if cancel is not None:
                cancel()
            else:
                raise_thread_exception(self._thread_id, Cancelled)
            # A thread that waits for the database gets an error of its statement.
            connections.interrupt([self._thread_id or 0, *self._pool_thread_ids])

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the actor's function. Return whether it has ended."""
        return self._closed.wait(seconds)

    @property
    def is_shielded(self) -> bool:
        """Whether a thread of the task is in a section that must not be cut."""
        return bool(self._sections)

    @property
    def _is_due(self) -> bool:
        return self.raised_at is None or time.monotonic() - self.raised_at >= AGAIN_SECONDS

    # --- The task ---

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the actor's function in this thread, with the window open."""
        self._thread_id = threading.get_ident()
        self.is_open = True
        try:
            if self.is_requested:
                self.check()
            return fn(*args, **kwargs)
        finally:
            is_closed = False
            while not is_closed:
                try:
                    self.close()
                    is_closed = True
                except Interrupt:
                    pass  # It came too late: the function has ended.

    def close(self) -> None:
        """Close the window: nothing is raised in the thread from here on."""
        self.is_open = False
        if self.is_requested:
            with self._lock:
                self._closed.set()

    def check(self) -> None:
        """Raise the exception in this thread, which is one of the task's own.

        Raises:
          Cancelled: Unless the thread is in a section or the task cleans up.
        """
        if self._sections:
            return
        here = threading.get_ident()
        if here == self._loop_thread_id:
            self.deliver()  # The coroutine gets it at its next `await`.
            return
        if here == self._thread_id:
            if not self.is_open:
                return
            with self._lock:
                if not self._is_due:
                    return
                self.raised_at = time.monotonic()
        raise Cancelled

    def enter_section(self) -> None:
        """Raise nothing from here on. Raises: Cancelled: It is requested already."""
        if self.is_requested and not self._sections:
            self.check()
        self._sections += 1
        if self.is_requested:
            try:
                with self._lock:
                    pass
            except BaseException:
                self._sections -= 1
                raise

    def leave_section(self) -> None:
        """Leave a section. The caller checks then."""
        self._sections -= 1

    # --- Async actors and pools of threads ---

    async def run_coroutine(self, coroutine: Awaitable[T], task: "asyncio.Task[Any]") -> T:
        """Run an async actor's coroutine in this task of the event loop, which a request cancels."""
        self._loop_thread_id = threading.get_ident()
        self._cancel_coroutine = lambda: task.get_loop().call_soon_threadsafe(task.cancel)
        try:
            if self.is_requested:
                self.deliver()
            return await coroutine
        finally:
            self._cancel_coroutine = None

    def run_in_pool(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Run a function of the task in this thread of a pool. Raises: Cancelled: The task has ended by it."""
        here = threading.get_ident()
        with _begin:
            if not isinstance(self._pool_thread_ids, set):
                self._pool_thread_ids = set()
            self._pool_thread_ids.add(here)
        try:
            if self._has_ended:
                raise Cancelled
            return fn(*args, **kwargs)
        finally:
            self._pool_thread_ids.discard(here)
            if self.is_requested:
                with self._lock:
                    pass

    # --- The end ---

    def ends(self, exception: BaseException | None) -> bool:
        """Return whether an exception of the actor ends it as cancelled, whatever else went wrong in its clean-up."""
        return exception is not None and (issubclass(type(exception), Cancelled) or self.raised_at is not None)

    def finish(self) -> None:
        """Wait for the functions in pools that the cancelled task has left. None begins any more."""
        self._has_ended = True
        self.request()
        while left := list(self._pool_thread_ids):
            with self._lock:
                connections.interrupt(left)
            time.sleep(TRY_SECONDS[1])


class Delivery(threading.Thread):
    """Delivers a request until the actor's function has ended."""

    def __init__(self, cancellation: Cancellation) -> None:
        super().__init__(name="cancellation", daemon=True)
        self.cancellation = cancellation

    def run(self) -> None:
        pause, longest = TRY_SECONDS
        while True:
            try:
                self.cancellation.deliver()
            except Exception:
                logger.exception("task could not be interrupted")
            if self.cancellation.wait(pause):
                return
            pause = min(pause * 1.5, longest)


def may_land(frame: FrameType | None) -> bool:
    """Return whether the exception may be raised where a thread is: not in code that it must not cut.

    Frames outside of the actor's function do not count.
    """
    while frame is not None:
        if frame.f_code in _OPENINGS:
            return True
        if _is_uncut(str(frame.f_globals.get("__name__", ""))):
            return False
        frame = frame.f_back
    return False


def call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the function of another actor inside a task."""
    return fn(*args, **kwargs)


def _is_uncut(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in UNCUT)


#: Functions that call an actor's own. The frames around them do not count.
_OPENINGS = {Cancellation.run.__code__, call.__code__}
