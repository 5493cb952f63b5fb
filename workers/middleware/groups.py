"""Starts groups: one transaction records a group and all its members. `workers.group_callbacks` notices their ends."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dramatiq
from django.db import transaction
from dramatiq import Message, Middleware
from dramatiq.middleware import CurrentMessage

from apps.tasks import groups
from apps.tasks.log_context import with_request
from apps.tasks.values import GROUP_KEY
from workers.sending import arguments, times

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

#: Stands for the numbers of a group in the check of a callback.
NUMBERS = {"key": "", "total": 0, "completed": 0, "failed": 0, "cancelled": 0, "failed_ids": []}


class Groups(Middleware):
    """Starts groups on the broker. Dramatiq's own middleware counts in Redis, and only those that complete."""

    def __init__(self) -> None:
        groups.extend_dramatiq()

    def check_callback(self, broker: "LedgerBroker", message: Message[Any], *, on: str) -> None:
        """Check a callback like a send.

        Raises:
          BadArgumentsError: Its actor cannot be called with its arguments.
          FollowUpError: This process does not know its actor, and JSON cannot carry its arguments.
        """
        if on == "finished":
            message = message.copy(kwargs={**message.kwargs, "group": NUMBERS})
        if message.actor_name in broker.actors:
            broker.send_of(message, delay=message.options.get("delay"))
        else:
            broker.follow_up_of(message)

    def start(self, broker: "LedgerBroker", group: dramatiq.group, *, delay: int | timedelta | None) -> None:
        """Record a group with its members and publish them on commit.

        Raises:
          BadOptionError: The delay is none, or out of range.
        """
        if delay is not None:
            times.check_time("a group", "delay", delay, where="the delay")
            delay = times.clipped(delay)
        with transaction.atomic():
            messages = [chain[0] for chain in self._open(group, delay=delay)]
            broker.send_many(messages)

    def _open(self, group: dramatiq.group, *, delay: int | None) -> list[list[Message[Any]]]:
        """Record a group and the groups in it. Return their members: of each, the messages that run one by one."""
        from apps.tasks import ledger

        key = str(uuid.uuid4())
        members: list[list[Message[Any]]] = []
        for child in group.children:
            if isinstance(child, dramatiq.group):
                members += self._open(child, delay=delay)
            else:
                members.append(_member(child, key=key, delay=delay))
        ledger.open_group(
            key,
            members=[[message.message_id for message in chain] for chain in members],
            callbacks=list(_owned(groups.callbacks_of(group), members)),
        )
        group.key = key  # type: ignore[attr-defined]
        return members


def _member(child: Any, *, key: str, delay: int | None) -> list[Message[Any]]:
    """Return the messages of a member, with its group. The first has the longer of both delays."""
    chain = list(child.messages) if isinstance(child, dramatiq.pipeline) else [child]
    own = chain[0].options.get("delay")
    if delay is not None:
        chain[0] = chain[0].copy(options={"delay": max(delay, own) if isinstance(own, int) else delay})
    chain = [message.copy(options={GROUP_KEY: key}) for message in chain]
    return dramatiq.pipeline(chain).messages if len(chain) > 1 else chain


def _owned(callbacks: list[dict[str, Any]], members: list[list[Message[Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the callbacks, with the owner that all members have where a callback names none."""
    current = getattr(CurrentMessage.get_current_message(), "owner_id", None)
    owners = {arguments.owner_key(chain[0].options.get("owner_id", current)) for chain in members}
    owner = owners.pop() if len(owners) == 1 else None
    for callback in callbacks:
        message = callback["message"]
        named = arguments.owner_key(message["options"].get("owner_id", owner))
        options = with_request(message["options"])
        options = {**options, "owner_id": str(named) if isinstance(named, uuid.UUID) else named}
        yield {**callback, "message": {**message, "options": options}}
