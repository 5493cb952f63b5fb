"""Actors of other programs that share the database and the namespace: a message names one, and no code here has it."""

from typing import Any, ClassVar

from dramatiq import Message

#: Option of a message whose actor only another program knows.
OPTION = "elsewhere"


class ActorElsewhere:
    """Stands for an actor of another program in the checks of a send."""

    options: ClassVar[dict[str, Any]] = {}
    priority = 0

    def __init__(self, message: Message[Any]) -> None:
        self.actor_name = message.actor_name
        self.queue_name = message.queue_name

    @staticmethod
    def fn(*args: Any, **kwargs: Any) -> None:
        """Take any arguments: only the other program can check them."""
