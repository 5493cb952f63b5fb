"""Tells at the start of a worker what its cage lacks."""

import logging

from dramatiq import Broker, Middleware, Worker

logger = logging.getLogger(__name__)


class CageNotice(Middleware):
    """Logs once in each worker process whether its machine has all that the cage of readers needs."""

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        # Not at the top: this module is loaded with the broker.
        from apps.documents.readers import cage

        if lacks := cage.missing():
            logger.warning("reader works in an incomplete cage lacks=%s", "; ".join(lacks))
