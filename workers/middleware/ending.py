"""Opens the end of an attempt: messages of the other after-hooks belong to its outcome."""

from typing import Any

from dramatiq import Broker, Middleware
from dramatiq.broker import MessageProxy

from workers.process.attempt import ClaimedMessage


class Ending(Middleware):
    """Begins to gather messages. `Progress` ends it.

    It is the last in the list, so its after-hooks are the first to run. Between the two, `Retries`, `Callbacks`,
    `Pipelines` and the project's own middleware run. The broker gathers the messages that they enqueue, and they are
    recorded in the commit that ends the attempt. The outcome tells their errors.

    A transactional actor has recorded its outcome by then. Messages that the project's own middleware enqueues after
    it are sends like any other.
    """

    on_event_loop = True

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if isinstance(message, ClaimedMessage) and not message.attempt.written:
            message.attempt.begin_ending(exception)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        if isinstance(message, ClaimedMessage):
            message.attempt.begin_ending()
