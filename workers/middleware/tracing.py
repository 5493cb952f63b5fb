"""Spans of OpenTelemetry, for projects that have `opentelemetry-api`. Without a provider they cost nothing.

The provider must be set before a worker boots, as `opentelemetry-instrument` does.

It stands first in the list, so that its after-hooks see the outcome:

    DRAMATIQ_BROKER["MIDDLEWARE"] = ["workers.middleware.tracing.Tracing", *middleware.DEFAULT]
"""

import time
from functools import wraps
from typing import Any

from dramatiq import Broker, Message, Middleware, Worker
from dramatiq.broker import MessageProxy
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import ProxyTracerProvider, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from apps.tasks import states
from apps.tasks.failures import in_words
from apps.tasks.log_context import fields_of
from workers.process.attempt import Attempt, ClaimedMessage

#: Moves after which the span of an attempt is an error.
FAILURES = (states.FAIL, states.RETRY)
#: Milliseconds that an ending child waits for its last spans.
FLUSH_MS = 2_000

_propagator = TraceContextTextMapPropagator()


class Tracing(Middleware):
    """Makes one trace of a request, the tasks that it sends, and what these send.

    A send, the wait of a first attempt and the run of each attempt are spans. The context is in the options of the
    message (`traceparent`), so a retry belongs to the same trace. Spans have ids, numbers and names, and the error of
    an attempt. They have neither arguments nor results.
    """

    on_event_loop = True

    def __init__(self) -> None:
        #: Whether a provider takes the spans of this worker process, as of its boot.
        self.is_on = False

    @property
    def message_options(self) -> set[str]:
        """None. The middleware itself sets the options of a trace."""
        return set()

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: Any) -> None:
        if isinstance(message, ClaimedMessage):
            # A retry belongs to the send of its task, as its row says, and not to the attempt before it.
            for name in _propagator.fields:
                message.options.pop(name, None)
            message.options.update(vars(message).get("sent_in", {}))
            return
        if trace.get_current_span() is trace.INVALID_SPAN:
            # A trace begins with a request, or with a span of the project's own.
            return
        _trace_statements()
        if not _is_on():
            # The child of an isolated task, without a provider of its own: what it sends belongs to the run.
            _propagator.inject(message.options)
            return
        attributes = _attributes(message)
        with _tracer().start_as_current_span(
            f"send {message.actor_name}", kind=SpanKind.PRODUCER, attributes=attributes
        ):
            _propagator.inject(message.options)

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        self.is_on = _is_on()
        if self.is_on:
            _trace_statements()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        if not self.is_on or not isinstance(message, ClaimedMessage):
            return
        attempt = message.attempt
        parent, attributes = _context_of(message), _attributes(attempt.message) | _fields(attempt)
        if not attempt.claim.attempt:
            now_ns = time.time_ns()
            sent_ns = min(attempt.message.message_timestamp * 1_000_000, now_ns)
            _tracer().start_span(f"wait {message.actor_name}", parent, start_time=sent_ns, attributes=attributes).end(
                now_ns
            )
        span = _tracer().start_span(f"run {message.actor_name}", parent, SpanKind.CONSUMER, attributes)
        inside = trace.set_span_in_context(span, parent)
        # For the child of an isolated task, which gets the message. The row has the context of the send.
        vars(message)["sent_in"] = {
            name: message.options[name] for name in _propagator.fields if name in message.options
        }
        _propagator.inject(message.options, inside)
        vars(message)["span"] = span, context.attach(inside)

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if not self.is_on or (begun := vars(message).pop("span", None)) is None:
            return
        span, token = begun
        assert isinstance(message, ClaimedMessage)
        try:
            _end(span, message.attempt)
        finally:
            # Processors of the project's own run at the end of a span, and may fail.
            context.detach(token)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        self.after_process_message(broker, message)

    def before_child_work(self, broker: Broker, message: ClaimedMessage) -> None:
        """Let the spans of an isolated task belong to its run. Its process has no other task."""
        context.attach(_context_of(message))

    def after_child_work(self, broker: Broker, message: ClaimedMessage, **ended: Any) -> None:
        flush = getattr(trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            flush(FLUSH_MS)


def _is_on() -> bool:
    """Return whether a provider is set, which takes the spans."""
    return not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)


def _tracer() -> trace.Tracer:
    return trace.get_tracer("workers")


def _context_of(message: Any) -> Context:
    """Return the context of the send. Another program may have written anything into the row."""
    options = {name: value for name, value in message.options.items() if isinstance(value, str)}
    return _propagator.extract(options, Context())


def _attributes(message: Message[Any]) -> dict[str, Any]:
    return {
        "messaging.system": "dramatiq",
        "messaging.destination.name": message.queue_name,
        "messaging.message.id": message.message_id,
    }


def _fields(attempt: Attempt) -> dict[str, Any]:
    return {f"task.{name}": value for name, value in fields_of(attempt.message).items() if value is not None}


def _end(span: Span, attempt: Attempt) -> None:
    outcome = attempt.outcome
    if outcome is not None:
        span.set_attribute("task.outcome", outcome.move.name)
        if outcome.move in FAILURES:
            error = in_words(outcome.error_type, outcome.error_message)
            span.set_status(StatusCode.ERROR, error)
            # Not `record_exception`, which runs code of the exception.
            span.add_event(
                "exception",
                {
                    "exception.type": outcome.error_type,
                    "exception.message": outcome.error_message,
                    "exception.stacktrace": outcome.traceback,
                },
            )
    span.end()


def _trace_statements() -> None:
    """Let statements that go to libpq directly be spans, where they belong to a trace. Others see Django's cursors."""
    try:
        from apps.tasks.statements.direct import Statement
    except ImportError:  # Without psycopg there are none.
        return
    run: Any = Statement._run
    if hasattr(run, "__wrapped__"):
        return

    @wraps(run)
    def traced(self: Statement, *args: Any) -> Any:
        if not trace.get_current_span().is_recording():
            return run(self, *args)
        attributes = {"db.system.name": "postgresql", "db.query.text": self.sql}
        name = self.name or self.sql.split(None, 1)[0]
        with _tracer().start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes):
            return run(self, *args)

    Statement._run = traced  # type: ignore[method-assign,assignment]
