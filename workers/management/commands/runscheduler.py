"""`manage.py runscheduler`: fires periodic actors."""

import logging
import signal
import threading
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import dramatiq
from django.core.management.base import BaseCommand, CommandError

from workers import cron, scheduler

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Fires the actors that were declared with periodic=cron(...)."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()

        def ask_to_stop(signum: int, frame: FrameType | None) -> None:
            stop.set()

        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, ask_to_stop)
        broker = dramatiq.get_broker()
        try:
            actors = scheduler.periodic_actors(broker)
            clock = scheduler.build(broker)
        except cron.BadCronError as error:
            raise CommandError(str(error)) from None
        clock.start()
        for name, (_, text) in actors.items():
            slot = cron.next_slot(text, datetime.now(UTC))
            logger.info("schedule cron=%r actor=%s next=%s", text, name, slot.isoformat())
        stop.wait()
        clock.shutdown(wait=True)
