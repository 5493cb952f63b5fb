"""Counts that never fall. Prometheus takes a smaller number for a restart, and counts all of it anew."""

import threading
from dataclasses import fields

from apps.tasks.figures import Counts

_lock = threading.Lock()
largest: dict[tuple[str, str], Counts] = {}


def grown(names: tuple[str, str], counts: Counts) -> Counts:
    """Return the counts, each at least as large as it was.

    The rows may tell a little less than before: a failed task that is retried by hand a moment later has not failed.

    Parameters:
      names: Actor and queue.
    """
    with _lock:
        last, found = largest.get(names, counts), Counts()
        for one in fields(Counts):
            before, now = getattr(last, one.name), getattr(counts, one.name)
            setattr(found, one.name, list(map(max, before, now)) if isinstance(now, list) else max(before, now))
        largest[names] = found
        return found
