"""Opens the end of an attempt: what the other after-hooks send from here on belongs to its outcome."""

from typing import Any

from dramatiq import Broker, Middleware
from dramatiq.broker import MessageProxy

from workers.attempt import ClaimedMessage


class Ending(Middleware):
    """The last in the list, so its after-hooks are the first to run. `Progress` closes what it opens.

    Between the two, Dramatiq's own `Retries`, `Callbacks` and `Pipelines` run unchanged: what they enqueue is gathered
    by the broker and recorded in the commit that ends the attempt.
    """

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if isinstance(message, ClaimedMessage):
            message.attempt.begin_ending()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        if isinstance(message, ClaimedMessage):
            message.attempt.begin_ending()
