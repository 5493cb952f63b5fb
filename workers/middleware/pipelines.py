"""Pipelines: Dramatiq's own, sent once."""

from typing import TYPE_CHECKING, Any

from dramatiq import middleware
from dramatiq.broker import MessageProxy

from workers.middleware.callbacks import is_settled

if TYPE_CHECKING:
    from dramatiq import Broker


class Pipelines(middleware.Pipelines):
    """Sends the next message of a pipeline, unless the actor's own transaction has recorded it."""

    on_event_loop = True

    def after_process_message(
        self, broker: "Broker", message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if message.options.get("pipe_target") is not None and not is_settled(message):
            super().after_process_message(broker, message, result=result, exception=exception)
