"""The message that a send returns."""

from typing import Any

from dramatiq import Message


class SentMessage(Message[Any]):
    """A message as its sender gets it: Dramatiq's own, which says besides whether it became a task."""

    #: False: another task stands for the send, or its id was known. `message_id` is the id of that task.
    was_new = True


def sent(message: Message[Any], *, known_as: str | None = None) -> SentMessage:
    """Return the message that its send returns.

    Parameters:
      known_as: Id of the task that stands for it. None: it is new.
    """
    if known_as is None and type(message) is SentMessage:
        return message
    found = SentMessage(
        message.queue_name, message.actor_name, message.args, message.kwargs, message.options,
        message.message_id if known_as is None else known_as, message.message_timestamp,
    )  # fmt: skip
    if known_as is not None:
        # Not a field: those go to Redis.
        object.__setattr__(found, "was_new", False)
    return found
