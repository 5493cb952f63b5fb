"""The paused queues and actors, as this process knows them."""

import logging
from typing import Any

logger = logging.getLogger(__name__)


class Paused:
    """Names that are paused. They are read from the rows now and then, so that a task costs no statement."""

    def __init__(self) -> None:
        self.queues: frozenset[str] = frozenset()
        self.actors: frozenset[str] = frozenset()

    def look(self) -> None:
        """Read the rows anew. Raises: Errors of the database. What was known stays so."""
        from apps.tasks import pauses

        queues, actors = pauses.names()
        if (queues, actors) != (self.queues, self.actors):
            self.queues, self.actors = queues, actors
            logger.info("pauses changed queues=%s actors=%s", _listed(queues), _listed(actors))

    def __bool__(self) -> bool:
        return bool(self.queues or self.actors)

    def holds(self, message: Any) -> bool:
        """Return whether a message must not start."""
        return message.queue_name in self.queues or message.actor_name in self.actors


def _listed(names: frozenset[str]) -> str:
    return ",".join(sorted(names)) or "none"
