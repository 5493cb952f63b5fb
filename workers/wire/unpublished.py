"""Number of messages that senders of this process could not publish. The relay publishes them."""

import os
import threading

_lock = threading.Lock()
_count = 0


def _begin_anew() -> None:
    """Count from 0 in a forked process, with a lock that no thread of its parent holds."""
    global _lock, _count
    _lock, _count = threading.Lock(), 0


os.register_at_fork(after_in_child=_begin_anew)


def add(number: int) -> None:
    """Count messages that Redis did not take."""
    global _count
    with _lock:
        _count += number


def count() -> int:
    """Return their number since the process started."""
    return _count
