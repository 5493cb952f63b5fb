"""Group callbacks, counted in rows in the commit that completes each task."""

from typing import TYPE_CHECKING, Any

from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.middleware.group_callbacks import GroupCallbacks
from dramatiq.rate_limits import RateLimiterBackend

from workers.process.attempt import ClaimedMessage

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


class RowBarrier(RateLimiterBackend):
    """Opens the barrier of `group.run()` as a row, in the caller's transaction. The ledger counts."""

    def add(self, key: str, value: int, ttl: int) -> bool:
        from apps.tasks import ledger

        return ledger.open_group(key, size=value)


class Groups(GroupCallbacks):
    """Notes the group of a task. Dramatiq's own middleware keeps the count in Redis, apart from the outcome."""

    def __init__(self) -> None:
        super().__init__(RowBarrier())

    def after_process_message(  # type: ignore[override]
        self,
        broker: "LedgerBroker",
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        group = message.options.get("group_completion_uuid")
        if exception is not None or not group or not isinstance(message, ClaimedMessage):
            return
        callbacks = message.options.get("group_completion_callbacks") or []
        message.attempt.group_sends = [broker.follow_up_of(Message(**callback)) for callback in callbacks]
        message.attempt.group = group
