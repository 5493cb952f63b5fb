"""Makes a process that a task forks independent of the worker process that it is a copy of.

`multiprocessing` forks by default on Linux. The copy has the handlers, sockets and locks of the worker, and none of its
threads but the one that forked.
"""

import os
import signal
import threading

from dramatiq.worker import WorkerThread

from apps.core import connections
from workers.process.stop_request import STOP_SIGNALS

_is_prepared = False
_thread = threading.local()


def prepare() -> None:
    """Let each process that this one forks from now on begin without this one's handlers and connections."""
    global _is_prepared
    if not _is_prepared:
        _is_prepared = True
        os.register_at_fork(before=_block_signals, after_in_parent=_unblock_signals, after_in_child=_begin_child)


def _block_signals() -> None:
    """Let signals wait: one that comes before the child has its own handlers would be lost."""
    _thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _thread.mask)


def _begin_child() -> None:
    for signum in STOP_SIGNALS:
        # With the worker's handler, `Process.terminate()` does nothing, and a pool waits for its processes for ever.
        if callable(signal.getsignal(signum)):
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    _unblock_signals()
    if isinstance(thread := threading.current_thread(), WorkerThread):
        # If its task returns in the child, too, the child must not go on with the tasks that wait in the copy.
        thread.stop()
    connections.begin_child()
