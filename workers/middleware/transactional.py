"""`transactional=True`: the actor's own writes and its completion are one commit."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.db import transaction
from dramatiq import Actor, Middleware
from dramatiq.middleware import Callbacks, Pipelines

from apps.tasks.errors import SupersededError
from apps.tasks.json_safe import json_safe
from workers.middleware.connections import refuse_open_transaction
from workers.middleware.errors import BadActorError
from workers.process.attempt import Attempt, ClaimedMessage
from workers.sending.on_commit import publish_sends

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


class Transactional(Middleware):
    """Runs an actor inside a transaction that also completes its row: exactly once, also under `kill -9`.

    This covers writes to the database of `TaskStatus`. On SQLite the actor keeps the only write lock while it runs.
    """

    @property
    def actor_options(self) -> set[str]:
        """Options about a second run.

        transactional: True to run inside one transaction with the completion. Not for async actors.
        idempotent: True says that a second run leaves what the first one left. The system checks read it.
        """
        return {"transactional", "idempotent"}

    @property
    def message_options(self) -> set[str]:
        """None. The function is wrapped once, when its actor is declared."""
        return set()

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        if not actor.options.get("transactional"):
            return
        if inspect.iscoroutinefunction(inspect.unwrap(actor.fn)):
            # Its statements would not run in the thread that holds the transaction.
            raise BadActorError(f"{actor.actor_name} is async; transactional=True needs a plain function")
        actor.fn = in_one_transaction(broker, actor.actor_name, actor.fn)


def in_one_transaction(broker: "LedgerBroker", actor_name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, with its writes and the completion of its attempt in one commit."""

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        attempt = Attempt.current()
        if attempt is None or attempt.message.actor_name != actor_name or attempt.in_transaction:
            # Called as a function, not by a worker. The caller may be the actor itself.
            with transaction.atomic():
                return fn(*args, **kwargs)
        attempt.in_transaction = True
        try:
            with transaction.atomic():
                result = fn(*args, **kwargs)
                complete(broker, attempt, result)
            refuse_open_transaction()
            attempt.written = True
        except BaseException:
            if not attempt.written:
                # Rolled back, as far as this process knows. If not, the row refuses the next outcome.
                attempt.outcome = None
            raise
        finally:
            attempt.in_transaction = False
        return result

    return run


def complete(broker: "LedgerBroker", attempt: Attempt, result: Any) -> None:
    """Complete the attempt's row and record its follow-ups, in the open transaction.

    Raises:
      SupersededError: The row has another attempt by now.
      TypeError, ValueError: JSON cannot carry the result.
    """
    from apps.tasks import ledger

    json_safe(result)
    message = ClaimedMessage(attempt)
    attempt.begin_ending()
    try:
        for middleware in reversed(broker.middleware):
            if isinstance(middleware, Callbacks | Pipelines):
                middleware.after_process_message(broker, message, result=result)
    finally:
        # The actor's own `on_commit` hooks come later and may send.
        attempt.stop_gathering()
    store_result = broker.actors[message.actor_name].options.get("store_results", True)
    attempt.decide(result=result, exception=None, store_result=message.options.get("store_results", store_result))
    assert attempt.outcome is not None, "decide() settles it"
    settled = ledger.finish([attempt.outcome])[0]
    if settled.deferred:
        # Another transaction has locked the row, perhaps our own writer with a report.
        ledger.wait_for(attempt.claim)
        settled = ledger.finish([attempt.outcome])[0]
    if not settled.took:
        raise SupersededError(f"attempt {attempt.claim.attempt} of {attempt.claim.task_id} was superseded")
    publish_sends(settled.sends, broker.wire)
