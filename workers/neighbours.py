"""Other databases behind the same namespace of the same Redis.

Workers of both then take the messages of both. A message that has no row here is requeued once, and dropped the next
time. The relay of the other database publishes it again, so nothing is lost, but tasks may start late.

A mark in the database would be copied with it, as from production to staging. Processes are not: each has an id of its
own, and a row in its own database only.
"""

import time
import uuid
from itertools import islice

from apps.tasks import presence
from apps.tasks.models import WorkerProcess
from workers.wire.queue import WireQueue

#: Processes that a relay announces, at most. One is enough to be found.
ANNOUNCED = 10
#: Seconds for which a consumer believes its last look for strangers.
LOOK_SECONDS = 5.0
#: Messages that a consumer requeues within that time, at most: its own tasks wait behind them.
REQUEUED = 50
#: Requeued messages that a consumer remembers, at most.
REMEMBERED = 1_000


def announce(wire: WireQueue) -> None:
    """Tell the users of the namespace about the living processes of this database."""
    living = (f"{process.pk} {process.hostname}:{process.pid}" for process in presence.living())
    wire.processes(add=islice(living, ANNOUNCED))


def strangers(wire: WireQueue) -> list[str]:
    """Return processes that use the namespace and have no row in this database, as host name and process id."""
    found = dict(process.split(" ", 1) for process in wire.processes() if " " in process)
    # Read after the announcements: a process has its row before it is announced.
    ours = {str(pk) for pk in WorkerProcess.objects.filter(pk__in=filter(_is_uuid, found)).values_list("pk", flat=True)}
    return sorted(name for pk, name in found.items() if pk not in ours)


class Neighbours:
    """Tells one consumer which messages without a row it requeues for the workers of another database.

    Each message once, so that none whose send was rolled back goes round for ever, and not too many at a time.
    """

    def __init__(self, wire: WireQueue) -> None:
        self.wire = wire
        #: Wire ids of requeued messages, the oldest first.
        self._requeued: dict[str, None] = {}
        self._look_at = 0.0
        #: Messages that may still be requeued before the next look.
        self._room = 0

    def may_have(self, wire_id: str) -> bool:
        """Return whether the message may belong to another database, and note that it is requeued then."""
        if wire_id in self._requeued:
            # The other relay may publish it once more.
            del self._requeued[wire_id]
            return False
        if time.monotonic() >= self._look_at:
            self._room = REQUEUED if strangers(self.wire) else 0
            self._look_at = time.monotonic() + LOOK_SECONDS
        if not self._room:
            return False
        self._room -= 1
        self._requeued[wire_id] = None
        if len(self._requeued) > REMEMBERED:
            del self._requeued[next(iter(self._requeued))]
        return True


def _is_uuid(text: str) -> bool:
    """Return whether the text, which any program may have put into Redis, is an id of a process."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
