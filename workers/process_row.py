"""The row of a relay or scheduler process, which tells that the process works."""

import logging
import time
import uuid

from django.db import DatabaseError, InterfaceError

from apps.tasks import deploys, presence
from apps.tasks.conf import conf
from apps.tasks.values import Vitals
from workers.process import identity, memory

logger = logging.getLogger(__name__)


class ProcessRow:
    """The row in which one relay or scheduler beats.

    The process beats from its work, not from a thread of its own: one whose work hangs must not seem to live.

    Parameters:
      kind: `WorkerProcess.KIND_RELAY` or `WorkerProcess.KIND_SCHEDULER`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.id: uuid.UUID | None = None
        self._beat_at = 0.0

    def beat(self) -> None:
        """Beat if the last beat is older than a quarter of the timeout. Call it as often as you like.

        The first beat makes the row. So does the first one after a relay declared the process dead, as it does with a
        process that was frozen. A relay or scheduler holds no tasks, so it goes on under a new id.
        """
        now = time.monotonic()
        if now < self._beat_at:
            return
        if self.id is None or not presence.beat(self.id, Vitals(memory_mb=memory.resident_mb())):
            self._register()
        deploys.look()
        self._beat_at = now + conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS / 4

    def stop(self) -> None:
        """Record that the process stops. Without the database a relay will do it."""
        if self.id is not None:
            try:
                presence.stop(self.id)
            except (DatabaseError, InterfaceError) as error:
                logger.warning("no sign-off, database does not answer error=%s", error)

    def _register(self) -> None:
        me, new = identity.of_this_process(), uuid.uuid4()
        presence.register(
            new,
            kind=self.kind,
            broker_id="",
            host=me.host,
            hostname=me.hostname,
            pid=me.pid,
            process_started=me.started,
            queues=[],
            threads=0,
        )
        self.id = new
