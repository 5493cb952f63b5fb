"""The message that a send returns."""

from typing import Any, ClassVar

from dramatiq import Message


class SentMessage(Message[Any]):
    """A message as its sender gets it: Dramatiq's own, which says besides whether it became a task."""

    #: False: another task stands for the send, or its id was known. `message_id` is the id of that task.
    was_new: ClassVar[bool] = True

    def __eq__(self, other: object) -> bool:
        """Return whether the messages are the same, whatever became of their sends."""
        return isinstance(other, Message) and self.asdict() == other.asdict()

    __hash__ = Message.__hash__


def sent(message: Message[Any], *, known_as: str | None = None) -> SentMessage:
    """Return the message that its send returns.

    Parameters:
      known_as: Id of the task that stands for it. None: it is new.
    """
    if type(message) is Message:
        # The same object: a copy of each would cost more than all else that Python does for a send.
        object.__setattr__(message, "__class__", SentMessage)
    if known_as is not None:
        message = message.copy(message_id=known_as)
    # Not a field, since fields go to Redis.
    vars(message)["was_new"] = known_as is None
    return message  # type: ignore[return-value]
