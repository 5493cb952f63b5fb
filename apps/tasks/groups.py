"""Groups of tasks: Dramatiq's, with callbacks that always come, and their progress.

    from apps.tasks.groups import cancel, group, progress_of

    packing = group([pack.message(order.pk) for order in orders])
    packing.add_completion_callback(report.message(day), on="finished")
    packing.run()
    progress_of(packing.key)
    cancel(packing.key)

`dramatiq.group` itself gets the same methods when the middleware `Groups` is loaded.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal, Protocol

import dramatiq
from dramatiq import Message

from apps.tasks.errors import GroupError
from apps.tasks.values import GroupProgress

#: Values of `on`.
ENDS = ("success", "finished")

_init_of_dramatiq = dramatiq.group.__init__
_run_of_dramatiq = dramatiq.group.run


class Starter(Protocol):
    """The middleware that starts groups on its broker."""

    def check_callback(self, broker: Any, message: Message[Any], *, on: str) -> None: ...
    def start(self, broker: Any, group: Any, *, delay: int | timedelta | None) -> None: ...


class group(dramatiq.group):  # noqa: N801 (Dramatiq's name)
    """Runs its members in parallel: messages, pipelines and groups.

    A pipeline is one member. A group in a group is as many members as it has, and calls back for itself.
    """

    #: Key of the last run, for `progress_of`. None: it has not run.
    key: str | None = None

    def __init__(self, *children: Any, broker: Any = None) -> None:
        """Make a group of an iterable of messages, pipelines and groups.

        Raises:
          GroupError: It is of something else, or of a pipeline without messages.
        """
        members = list(children[0]) if len(children) == 1 and isinstance(children[0], Iterable) else None
        if members is None or isinstance(children[0], str | dramatiq.pipeline):
            raise GroupError("a group is made of one list: group([first.message(), second.message()])")
        for member in members:
            _check_member(member)
        _init_of_dramatiq(self, members, broker=broker)

    def add_completion_callback(self, message: Message[Any], *, on: Literal["success", "finished"] = "success") -> None:
        """Send a message once at the end of the group.

        Parameters:
          on: "success": when all members have completed, also if that takes a retry by hand. "finished": when all
            have completed, failed or been cancelled. The callback's actor then also gets the keyword argument `group`:
            a dict with `key`, `total`, `completed`, `failed`, `cancelled` and `failed_ids` (100 at most). Members
            whose rows were deleted are only in `total`. A retry by hand after that sends no second one.

        Raises:
          GroupError: It is no message, `on` is another word, the message was added before, or the broker is not the
            ledger's.
          BadArgumentsError: The callback's actor cannot be called with the arguments.
        """
        if not isinstance(message, Message):
            raise GroupError(f"a callback is {_shown(message)}, must be a message: {_made_by(message)}")
        if on not in ENDS:
            raise GroupError(f"on is {on!r}, must be one of: {', '.join(map(repr, ENDS))}")
        added = _callbacks(self)
        if any(known["message"]["message_id"] == message.message_id for known in added):
            raise GroupError(
                f"The message {message.message_id} for {message.actor_name} is a callback of this group already, and a "
                "message is sent once. Make another one with .message()"
            )
        if starter := _starter(self.broker):
            starter.check_callback(self.broker, message, on=on)
        elif on == "finished":
            raise GroupError("on='finished' needs the middleware workers.middleware.groups.Groups on the broker")
        added.append({"on": on, "message": message.asdict()})
        self.completion_callbacks.append(message.asdict())

    def run(self, *, delay: int | timedelta | None = None) -> "group":
        """Send all members in one transaction, and wait for nothing.

        Parameters:
          delay: Milliseconds before a member may start, or a timedelta. The delay of a member of its own counts if it
            is longer.
        """
        if starter := _starter(self.broker):
            starter.start(self.broker, self, delay=delay)
        else:
            _run_of_dramatiq(self, delay=delay)
        return self


def _check_member(member: Any) -> None:
    if isinstance(member, dramatiq.pipeline) and not member.messages:
        raise GroupError("a member of a group is a pipeline without messages")
    if not isinstance(member, Message | dramatiq.group | dramatiq.pipeline):
        raise GroupError(f"a member of a group is {_shown(member)}, must be a message: {_made_by(member)}")


def _shown(value: Any) -> str:
    return f"the actor {value.actor_name}" if isinstance(value, dramatiq.Actor) else f"of type {type(value).__name__}"


def _made_by(value: Any) -> str:
    """Return how a message is made of what stands for one."""
    return f"{value.fn.__name__}.message(...)" if isinstance(value, dramatiq.Actor) else "actor.message(...)"


def _callbacks(group: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = vars(group).setdefault("callbacks_by_end", [])
    return found


def callbacks_of(group: dramatiq.group) -> list[dict[str, Any]]:
    """Return the callbacks of a group: the end that each is for, and the message as a dict."""
    return list(_callbacks(group))


def _starter(broker: Any) -> Starter | None:
    return next((one for one in broker.middleware if hasattr(one, "check_callback")), None)


def extend_dramatiq() -> None:
    """Give `dramatiq.group` the methods, so that what projects import from Dramatiq works alike."""
    dramatiq.group.__init__ = group.__init__  # type: ignore[method-assign,assignment]
    dramatiq.group.add_completion_callback = group.add_completion_callback  # type: ignore[method-assign,assignment]
    dramatiq.group.run = group.run  # type: ignore[method-assign,assignment]


def progress_of(key: str | None) -> GroupProgress | None:
    """Return the progress of a run of a group, in one statement. None: there is no such run, or it is deleted.

    A run is deleted a week after its end.

    Parameters:
      key: `group.key` after `group.run()`.
    """
    # Not at the top: actors are imported before Django's models exist.
    from apps.tasks import ledger
    from apps.tasks.models import TaskGroup

    return ledger.progress_of(TaskGroup.objects.filter(key=key)).get(key or "")


def cancel(key: str) -> tuple[int, int] | None:
    """Cancel the unfinished tasks of a run of a group. None: there is no such run, or it is deleted.

    A pipeline goes no further, unless its running task has just completed.

    Parameters:
      key: `group.key` after `group.run()`.

    Returns:
      The number of tasks that are cancelled now, and of those that run: their workers are asked to cancel them.
    """
    from apps.tasks import ledger

    return ledger.cancel_group(key)
