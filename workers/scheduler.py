"""The scheduler: fires the actors that were declared with `periodic=cron(...)`, driven by APScheduler.

Periodiq's own loop is not used: it never fires on Sundays and loses slots.
"""

import logging
import uuid
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from django.db import close_old_connections
from dramatiq import Actor, Broker

from workers import cron

logger = logging.getLogger(__name__)

#: Task ids of slots are made from this: two schedulers that fire one slot send one task.
SLOTS = uuid.UUID("6f1f4a55-0c39-4d5c-9f0e-2d6a8c0e7a11")


class CronTrigger(BaseTrigger):  # type: ignore[misc]
    """APScheduler's interface to our cron: APScheduler's own reads week days differently."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return cron.next_slot(self.text, previous_fire_time or now)


def periodic_actors(broker: Broker) -> dict[str, tuple[Actor[..., Any], str]]:
    """The actors with a `periodic` option and their cron texts, by actor name."""
    found = {}
    for name, actor in sorted(broker.actors.items()):
        spec = actor.options.get("periodic")
        if spec is not None:
            found[name] = (actor, cron.fields_of(spec.parsed_from or str(spec)))
    return found


def fire(actor: Actor[..., Any], text: str, *, now: datetime | None = None) -> str:
    """Send the task of the last slot that has come. Fired again, it is the same task. Returns its id."""
    slot = cron.last_slot(text, now or datetime.now(UTC))
    task_id = str(uuid.uuid5(SLOTS, f"{actor.actor_name} {slot.isoformat()}"))
    message = actor.message_with_options(kwargs=actor.options.get("periodic_kwargs") or {}).copy(message_id=task_id)
    close_old_connections()
    try:
        actor.broker.enqueue(message)
    finally:
        close_old_connections()
    logger.info("slot fired actor=%s slot=%s id=%s", actor.actor_name, slot.isoformat(), task_id)
    return task_id


def build(broker: Broker) -> BackgroundScheduler:
    """A scheduler of all periodic actors. A slot that comes late, after a pause of the machine, still fires."""
    scheduler = BackgroundScheduler(timezone=UTC)
    for name, (actor, text) in periodic_actors(broker).items():
        scheduler.add_job(fire, CronTrigger(text), args=[actor, text], id=name, misfire_grace_time=None, coalesce=True)
    return scheduler
