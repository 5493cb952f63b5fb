"""Failed tasks in Sentry, for projects that have `sentry-sdk` and call `sentry_sdk.init`.

It stands first in the list, so that its after-hooks see the outcome:

    DRAMATIQ_BROKER["MIDDLEWARE"] = ["workers.middleware.sentry.Sentry", *middleware.DEFAULT]
"""

import logging
from collections.abc import Collection
from typing import Any

import sentry_sdk
from dramatiq import Broker, Message, Middleware, Worker
from dramatiq.broker import MessageProxy
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.utils import event_from_exception

from apps.tasks import masking, states
from apps.tasks.failures import in_words
from apps.tasks.log_context import fields_of
from workers.process.attempt import Attempt, ClaimedMessage
from workers.wire.message import from_row

logger = logging.getLogger(__name__)

#: Seconds that an ending process waits for its last events.
FLUSH_SECONDS = 2.0
#: Earlier attempts that an event tells.
ATTEMPTS_LIMIT = 20
#: Events of tasks that ended together. The rows have all.
EVENTS_LIMIT = 100


class Sentry(Middleware):
    """Makes one event of each task that failed. Its earlier attempts are breadcrumbs, wherever they ran.

    An event has ids, numbers and names. It has neither arguments nor results. An error that its actor expects
    (`throws`) is none.
    """

    on_event_loop = True

    def __init__(self) -> None:
        # Its error is the event of this middleware.
        ignore_logger("workers.middleware.progress")

    @property
    def message_options(self) -> set[str]:
        """None."""
        return set()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        if not isinstance(message, ClaimedMessage) or not sentry_sdk.get_client().is_active():
            return
        manager = sentry_sdk.isolation_scope()
        scope = manager.__enter__()
        vars(message)["sentry_scope"] = manager
        scope.clear_breadcrumbs()
        _describe(scope, message.attempt.message, message.attempt.owner_id)

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        manager = vars(message).pop("sentry_scope", None)
        if manager is None:
            return
        assert isinstance(message, ClaimedMessage)
        attempt = message.attempt
        try:
            if attempt.outcome is not None and attempt.outcome.move is states.FAIL and not attempt.is_expected:
                _capture(attempt, exception)
        finally:
            manager.__exit__(None, None, None)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        self.after_process_message(broker, message)

    def after_ledger_end(self, broker: Broker, task_ids: Collection[str], move: states.Move) -> None:
        """Make an event of each task that failed without an attempt that could tell it: its worker was killed."""
        from apps.tasks.models import TaskStatus

        if move.target != states.FAILED or not sentry_sdk.get_client().is_active():
            return
        rows = TaskStatus.objects.filter(task_id__in=list(task_ids)[:EVENTS_LIMIT], status=states.FAILED)
        for row in rows.defer("result"):
            with sentry_sdk.isolation_scope() as scope:
                scope.clear_breadcrumbs()
                _describe(scope, from_row(row), row.owner_id)
                for crumb in _earlier(row.task_id, row.attempt + 1):
                    scope.add_breadcrumb(crumb)
                text = in_words(row.error_type, row.error_message)
                sentry_sdk.capture_event({"level": "error", "logentry": {"message": text}, "fingerprint": [row.cause]})

    def before_child_work(self, broker: Broker, message: ClaimedMessage) -> None:
        """Let the lines of an isolated task tell it. Its process has no other task."""
        _describe(sentry_sdk.get_isolation_scope(), message.attempt.message, message.attempt.owner_id)

    def after_child_work(self, broker: Broker, message: ClaimedMessage, **ended: Any) -> None:
        sentry_sdk.flush(FLUSH_SECONDS)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        sentry_sdk.flush(FLUSH_SECONDS)


def _describe(scope: "sentry_sdk.Scope", message: Message[Any], owner_id: Any) -> None:
    scope.set_transaction_name(message.actor_name, source="task")
    scope.set_tag("queue", message.queue_name)
    for name, value in fields_of(message).items():
        if value is not None:
            scope.set_tag(name, value)
    if owner_id is not None:
        scope.set_user({"id": str(owner_id)})


def _capture(attempt: Attempt, exception: BaseException | None) -> None:
    assert attempt.outcome is not None
    failure = attempt.failure
    event: Any
    hint: Any = None
    mechanism = {"type": "dramatiq", "handled": False}
    if exception is not None and attempt.child_failure is None:
        # Variables hold arguments and texts of documents, and the SDK sends them unless it is told not to.
        options = {**sentry_sdk.get_client().options, "include_local_variables": False}
        event, hint = event_from_exception(exception, client_options=options, mechanism=mechanism)
        secrets = attempt.secrets
        for raised in event.get("exception", {}).get("values", []) if secrets else []:
            raised["value"] = masking.without(secrets, str(raised.get("value") or ""))
    elif exception is not None and failure is not None:
        # It was raised in a child, where its traceback stayed.
        module, _, name = failure.error_type.rpartition(".")
        raised = {"type": name, "module": module or None, "value": failure.error_message, "mechanism": mechanism}
        event = {"level": "error", "exception": {"values": [raised]}}
    else:
        text = in_words(attempt.outcome.error_type, attempt.outcome.error_message)
        event = {"level": "error", "logentry": {"message": text}}
    if failure is not None and attempt.child_failure is not None:
        event["contexts"] = {"isolated task": {"traceback": failure.traceback}}
    with sentry_sdk.new_scope() as scope:
        for crumb in _earlier(attempt.claim.task_id, attempt.claim.attempt):
            scope.add_breadcrumb(crumb)
        sentry_sdk.capture_event(event, hint=hint)


def _earlier(task_id: str, attempt: int) -> list[dict[str, Any]]:
    """Return a breadcrumb for each attempt before that one. The rows know them, wherever they ran."""
    from apps.tasks.models import TaskAttempt

    if not attempt:
        return []
    try:
        rows = list(
            TaskAttempt.objects.filter(task__task_id=task_id, attempt__lt=attempt)
            .order_by("-attempt")
            .values("attempt", "outcome", "error_type", "error_message", "ended_at")[:ATTEMPTS_LIMIT]
        )
    except Exception:
        logger.warning("earlier attempts cannot be read id=%s", task_id, exc_info=True)
        return []
    return [
        {
            "type": "error",
            "category": "task.attempt",
            "level": "warning",
            "message": in_words(row["error_type"], row["error_message"]) or row["outcome"],
            "data": {"attempt": row["attempt"], "outcome": row["outcome"]},
            "timestamp": row["ended_at"],
        }
        for row in reversed(rows)
    ]
