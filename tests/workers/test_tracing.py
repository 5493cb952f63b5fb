"""One trace from a request over its tasks to what they send."""

import asyncio
import os
import sys
from types import ModuleType
from typing import Any

import pytest
from django.db import connection
from dramatiq import Middleware
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.isolated_server import serving
from tests.workers.test_middleware_forks import OPTIONS
from workers.management.commands.runworker import Command
from workers.middleware.tracing import Tracing
from workers.sending.sent_message import SentMessage

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "hunter2"


class Spans(InMemorySpanExporter):
    def named(self, name: str) -> list[ReadableSpan]:
        return sorted(
            (one for one in self.get_finished_spans() if one.name == name), key=lambda one: one.start_time or 0
        )

    def one(self, name: str) -> ReadableSpan:
        (found,) = self.named(name)
        return found


@pytest.fixture
def spans(broker: Any, monkeypatch: pytest.MonkeyPatch) -> Spans:
    """Spans of this process."""
    exporter, provider = Spans(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # A process can set its provider once.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    assert any(isinstance(one, Tracing) for one in broker.middleware), "the settings add it"
    return exporter


def in_request(send: Any) -> Any:
    with trace.get_tracer("web").start_as_current_span("request"):
        return send()


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    own = span.get_span_context()
    assert own is not None
    return own.span_id


def test_a_request_and_all_that_it_sends_are_one_trace(spans, working, declare, ended, wait_until) -> None:
    def sends(password: str) -> str:
        return tasks.effect.send("sent").message_id

    message: SentMessage = in_request(lambda: declare(sends).send(SECRET))
    row = ended(message)
    ended(message.copy(message_id=row.result))
    wait_until(lambda: len(spans.named("run acting.effect")) == 1)
    sent, run = spans.one("send acting.sends"), spans.one("run acting.sends")
    waited, sent_on = spans.one("wait acting.sends"), spans.one("send acting.effect")
    assert parent_of(sent) == id_of(spans.one("request"))
    assert parent_of(waited) == parent_of(run) == id_of(sent)
    assert parent_of(sent_on) == id_of(run)
    assert parent_of(spans.one("run acting.effect")) == id_of(sent_on)
    assert len({one.get_span_context().trace_id for one in spans.get_finished_spans()}) == 1
    assert (sent.kind, run.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert waited.start_time <= waited.end_time <= run.start_time
    assert run.attributes["task.actor"] == "acting.sends"
    assert run.attributes["messaging.message.id"] == message.message_id
    assert run.attributes["task.outcome"] == "complete"
    assert SECRET not in "".join(one.to_json() for one in spans.get_finished_spans())


def test_each_attempt_is_a_span_of_the_trace(spans, working, declare, ended, wait_until) -> None:
    def fails() -> None:
        raise KeyError("isbn")

    message = in_request(declare(fails, max_retries=1, min_backoff=10, max_backoff=10).send)
    assert ended(message).status == "failed"
    wait_until(lambda: len(spans.named("run acting.fails")) == 2)
    runs = spans.named("run acting.fails")
    assert {parent_of(one) for one in runs} == {id_of(spans.one("send acting.fails"))}
    assert [one.attributes["task.outcome"] for one in runs] == ["retry", "fail"]
    assert [one.status.status_code for one in runs] == [StatusCode.ERROR] * 2
    assert runs[1].status.description == "KeyError: 'isbn'"
    assert runs[1].events[0].attributes["exception.type"] == "KeyError"
    assert len(spans.named("wait acting.fails")) == 1


def test_spans_of_coroutines_belong_to_the_run(spans, working, declare, ended, wait_until) -> None:
    async def awaits() -> None:
        with trace.get_tracer("own").start_as_current_span("own"):
            await asyncio.sleep(0)

    ended(in_request(declare(awaits).send))
    wait_until(lambda: spans.named("run acting.awaits"))
    assert parent_of(spans.one("own")) == id_of(spans.one("run acting.awaits"))


def test_a_send_outside_of_a_trace_begins_none(spans, working, ended, wait_until) -> None:
    message = tasks.effect.send("n")
    assert ended(message).options == {}
    wait_until(lambda: spans.named("run acting.effect"))
    assert spans.one("run acting.effect").parent is None
    assert not spans.named("send acting.effect")


@pytest.mark.parametrize("value", ["no trace", 7, None, ["00"], "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_context_that_another_program_wrote_begins_a_new_trace(spans, working, ended, wait_until, value) -> None:
    message = tasks.effect.message("n")
    message.options["traceparent"] = value
    assert ended(working.broker.enqueue(message)).status == "completed"
    wait_until(lambda: spans.named("run acting.effect"))
    assert spans.one("run acting.effect").parent is None


@pytest.mark.fast_path("its statements are others")
def test_statements_past_djangos_cursors_are_spans(spans, redis_client) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's statements go through Django's cursors")
    in_request(lambda: tasks.effect.send("n"))
    statement = spans.one("aiwriting_insert_one")
    assert parent_of(statement) == id_of(spans.one("request"))
    assert statement.attributes["db.system.name"] == "postgresql"


def test_an_isolated_task_belongs_to_its_run(actors, spans, working, broker, ended, wait_until) -> None:
    with serving(broker):
        row = ended(in_request(lambda: actors.isolated_effect.send("n")))
        assert row.status == "completed", row.error_message
        ended(actors.effect.message("n").copy(message_id=row.result["sent"]))
        wait_until(lambda: spans.named("run acting.isolated_effect") and spans.named("run acting.effect"))
    run = spans.one("run acting.isolated_effect")
    assert parent_of(run) == id_of(spans.one("send acting.isolated_effect"))
    trace_id = f"{run.get_span_context().trace_id:032x}"
    # The child has no provider here. What it sends belongs to the run nevertheless.
    sent = TaskStatus.objects.get(task_id=row.result["sent"])
    assert sent.options["traceparent"].startswith(f"00-{trace_id}-{id_of(run):016x}-")
    assert parent_of(spans.one("run acting.effect")) == id_of(run)


def test_a_processor_that_fails_leaves_no_span_in_the_thread(spans, broker, working, ended, declare) -> None:
    class Fails(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise RuntimeError("the exporter is broken")

    seen: list[Any] = []

    class Looks(Middleware):
        def after_process_message(self, broker: Any, message: Any, **ended: Any) -> None:
            seen.append(trace.get_current_span())

    provider: Any = trace.get_tracer_provider()
    fails, looks = Fails(), Looks()

    def work() -> None:
        provider.add_span_processor(fails)

    # Its after-hook runs after that of the spans.
    broker.middleware.insert(0, looks)
    try:
        ended(declare(work).send())
    finally:
        broker.middleware.remove(looks)
    assert seen == [trace.INVALID_SPAN]


def test_what_instruments_runworker_instruments_the_workers_too(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen() -> str:
        (worker,) = Command().children_of(OPTIONS)
        assert worker.env is not None
        return worker.env["PYTHONPATH"].partition(os.pathsep)[0]

    package = ModuleType("auto_instrumentation")
    package.__file__ = str(tmp_path / "__init__.py")
    assert seen() != str(tmp_path)
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.auto_instrumentation", package)
    assert seen() == str(tmp_path)
