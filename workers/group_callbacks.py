"""Sends the callbacks of groups whose members have ended."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dramatiq import Message

from apps.tasks import ledger
from apps.tasks.errors import FollowUpError
from apps.tasks.values import Send
from workers.sending.on_commit import publish_sends

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)


def settle(broker: "LedgerBroker", task_ids: Sequence[str] | None = None) -> int:
    """Record and publish the callbacks of groups that are ready. Return their number.

    Parameters:
      task_ids: Look at the groups that wait for one of these tasks. None: at all.
    """

    def send_of(callback: dict[str, Any], named: dict[str, Any]) -> Send | None:
        try:
            message: Message[Any] = Message(**callback)
            return broker.follow_up_of(message.copy(kwargs=message.kwargs | named), delay=message.options.get("delay"))
        except (FollowUpError, TypeError) as error:
            # The send has checked it. Another version of the code may have written it.
            logger.error("callback of a group cannot be sent id=%s error=%s", callback.get("message_id"), error)
            return None

    sends = ledger.settle_groups(send_of, task_ids=task_ids)
    publish_sends(sends, broker.wire)
    return len(sends)
