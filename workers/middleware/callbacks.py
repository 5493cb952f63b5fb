"""`on_success` and `on_failure`: Dramatiq's own, for any exception and any actor."""

from typing import TYPE_CHECKING, Any

from dramatiq import Message, middleware
from dramatiq.broker import MessageProxy

from workers.process.attempt import ClaimedMessage, failure_of

if TYPE_CHECKING:
    from dramatiq import Broker


class Callbacks(middleware.Callbacks):
    """Sends the actors that are declared for the success or the failure of an attempt.

    Dramatiq's looks the actor up, and a process may not know it while a deploy is in progress. It also trusts the
    exception to have a text.
    """

    on_event_loop = True

    def after_process_message(
        self, broker: "Broker", message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        hook = "on_success" if exception is None else "on_failure"
        name = message.options.get(hook) or broker.get_actor(message.actor_name).options.get(hook)
        if not name or is_settled(message):
            return
        if exception is None:
            follow(broker, message, name, result)
        else:
            failure = failure_of(message, exception)
            error = {"type": failure.error_type.rpartition(".")[2], "message": failure.error_message}
            follow(broker, message, name, error)


def follow(broker: "Broker", message: MessageProxy, actor_name: str, told: Any) -> None:
    """Send a message and something about its end to an actor.

    An actor that this process does not know gets it in the queue of the message. Workers of that queue postpone it
    until one of them knows the actor.
    """
    actor = broker.actors.get(actor_name)
    queue_name = actor.queue_name if actor is not None else message.queue_name
    broker.enqueue(
        Message(queue_name=queue_name, actor_name=actor_name, args=(message.asdict(), told), kwargs={}, options={})
    )


def is_settled(message: MessageProxy) -> bool:
    """Return whether nothing has to follow any more.

    It is recorded in the actor's own transaction, or the task is snoozed, put off or cancelled. A middleware that
    fails a task stops what follows it, too.
    """
    if not isinstance(message, ClaimedMessage):
        return False
    attempt = message.attempt
    is_put_off = attempt.snooze_ms is not None or attempt.put_off_ms is not None
    return attempt.written or attempt.is_cancelled or is_put_off or (message.failed and message.exception is None)
