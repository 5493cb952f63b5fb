"""Project-wide actors."""

import logging

import dramatiq
from dramatiq.middleware import CurrentMessage

logger = logging.getLogger(__name__)


@dramatiq.actor(actor_name="aiwriting.debug_task", max_retries=0, time_limit=10_000, idempotent=True)
def debug_task() -> dict[str, object]:
    """Tell in the log and in the result which message ran: a way to see that the whole chain works."""
    message = CurrentMessage.get_current_message()
    assert message is not None, "debug_task runs in a worker; use debug_task.send()"
    logger.info("debug task message=%r", message)
    return {"message_id": message.message_id, "actor": message.actor_name, "queue": message.queue_name}
