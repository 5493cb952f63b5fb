"""Other databases behind the same namespace of the same Redis.

Workers of both then take the messages of both, and each drops those that have no row in its database. The relay
publishes them again, so nothing is lost, but tasks start late. A mark in the database would be copied with it, as from
production to staging. Processes are not: each has an id of its own, and a row in its own database only.
"""

import uuid
from itertools import islice

from apps.tasks import presence
from apps.tasks.models import WorkerProcess
from workers.wire.queue import WireQueue

#: Processes that a relay announces, at most. One is enough to be found.
ANNOUNCED = 10


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


def _is_uuid(text: str) -> bool:
    """Return whether the text, which any program may have put into Redis, is an id of a process."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
