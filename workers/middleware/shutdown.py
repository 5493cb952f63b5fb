"""`notify_shutdown=True`: Dramatiq's own, also for tasks that run in place."""

from typing import TYPE_CHECKING, Any

from dramatiq import Message, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Shutdown, ShutdownNotifications

from workers.process.attempt import is_in_place

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


class Shutdowns(ShutdownNotifications):
    """Interrupts the tasks of such actors when their worker is to stop. They are released then."""

    on_event_loop = True

    def before_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        super().before_worker_shutdown(broker, worker)
        if broker.runtime is not None:

            def is_notified(message: Message[Any]) -> bool:
                actor = broker.actors.get(message.actor_name)
                return actor is not None and bool(self.should_notify(actor, message))

            broker.runtime.coroutines.interrupt(Shutdown, only=is_notified)

    def before_process_message(self, broker: "LedgerBroker", message: MessageProxy) -> None:  # type: ignore[override]
        if not is_in_place(message):
            super().before_process_message(broker, message)

    def after_process_message(self, broker: "LedgerBroker", message: MessageProxy, **ended: Any) -> None:  # type: ignore[override]
        if not is_in_place(message):
            super().after_process_message(broker, message, **ended)

    after_skip_message = after_process_message
