"""Failed tasks in Sentry: one event each, in the envelopes that its server gets."""

import gzip
import io
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sentry_sdk
from django.apps import apps
from django.utils import timezone
from dramatiq.middleware import SkipMessage
from sentry_sdk.client import NonRecordingClient
from sentry_sdk.envelope import Envelope

from apps.core import request_id
from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from apps.tasks.signals import ended_by_ledger
from tests.acting import tasks
from tests.isolated_server import serving
from workers.middleware.sentry import Sentry

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "hunter2"
TEXT = "Call me Ishmael"


class Server(ThreadingHTTPServer):
    """Takes envelopes, as a Sentry server does."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.dsn = f"http://key@127.0.0.1:{self.server_port}/1"

    def of_tasks(self) -> list[Any]:
        """Return the events of tasks. Other lines of a busy machine are events, too."""
        sentry_sdk.flush(20)
        return [event for event in self.events if "task_id" in event.get("tags", {})]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        envelope = Envelope.deserialize_from(io.BytesIO(body))
        self.server.events += [item.payload.json for item in envelope.items if item.type == "event"]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sentry(server: Server, broker: Any) -> Iterator[Server]:
    """Send the events of this process. Nothing is patched, unlike with `sentry_sdk.init`."""
    scope = sentry_sdk.get_global_scope()
    client = sentry_sdk.Client(server.dsn, default_integrations=False, include_local_variables=False)
    scope.set_client(client)
    middleware = Sentry()
    broker.middleware.insert(0, middleware)
    yield server
    broker.middleware.remove(middleware)
    client.close(timeout=5)
    scope.set_client(NonRecordingClient())


def test_the_last_failure_is_one_event_and_retries_are_breadcrumbs(
    sentry, working, declare, ended, django_user_model
) -> None:
    owner = django_user_model.objects.create_user("jane")

    def fails(password: str, text: str) -> None:
        raise KeyError("isbn")

    actor = declare(fails, max_retries=2, min_backoff=10, max_backoff=10)
    request_id.bind("edge-7")
    try:
        message = actor.send_with_options(args=(SECRET,), kwargs={"text": TEXT}, owner_id=owner.pk)
    finally:
        request_id.bind("")
    assert ended(message).status == "failed"
    (event,) = sentry.of_tasks()
    tags = {**event["tags"], "attempt": int(event["tags"]["attempt"])}
    named = {"task_id": message.message_id, "actor": "acting.fails", "attempt": 2, "request_id": "edge-7"}
    assert tags == {**named, "queue": "default"}
    assert event["user"] == {"id": str(owner.pk)}
    assert event["transaction"] == "acting.fails"
    (raised,) = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("KeyError", "'isbn'")
    assert raised["stacktrace"]["frames"][-1]["function"] == "fails"
    crumbs = event["breadcrumbs"]["values"]
    assert [(crumb["message"], crumb["data"]) for crumb in crumbs] == [
        ("KeyError: 'isbn'", {"attempt": number, "outcome": "retry"}) for number in range(2)
    ]
    assert SECRET not in json.dumps(event)
    assert TEXT not in json.dumps(event)


def test_an_event_has_no_values_of_variables_whatever_the_client_says(
    sentry, working, declare, ended, monkeypatch
) -> None:
    monkeypatch.setitem(sentry_sdk.get_client().options, "include_local_variables", True)

    def fails(password: str, text: str) -> None:
        raise KeyError("isbn")

    assert ended(declare(fails, max_retries=0).send(SECRET, text=TEXT)).status == "failed"
    (event,) = sentry.of_tasks()
    assert SECRET not in json.dumps(event)
    assert TEXT not in json.dumps(event)


def test_what_is_no_failure_is_no_event(sentry, broker, working, declare, ended) -> None:
    class Skips(Sentry):
        def before_process_message(self, broker: Any, message: Any) -> None:
            if "skipped" in message.args:
                raise SkipMessage

    broker.middleware.append(skips := Skips())
    try:
        done = [tasks.effect.send("n"), tasks.effect.send("skipped"), tasks.fail_times.send(1), tasks.ask_again.send()]
        assert {ended(message).status for message in done} == {"completed"}
        assert ended(tasks.expected.send()).status == "failed"
    finally:
        broker.middleware.remove(skips)
    assert sentry.of_tasks() == []
    assert sentry_sdk.get_isolation_scope()._tags == {}


def test_an_async_task_and_a_result_that_is_no_json_are_events(sentry, working, declare, ended) -> None:
    async def fails() -> None:
        raise ValueError("no")

    def returns() -> object:
        return object()

    failed = [declare(fails, max_retries=0).send(), declare(returns, max_retries=0).send()]
    assert {ended(message).status for message in failed} == {"failed"}
    first, second = sorted(sentry.of_tasks(), key=lambda event: event["tags"]["actor"])
    assert first["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"] == "fails"
    assert "its result cannot be stored as JSON" in second["logentry"]["message"]


def test_an_isolated_task_is_an_event_of_its_worker(actors, sentry, working, broker, ended) -> None:
    with serving(broker):
        assert ended(actors.isolated_failure.send("error")).status == "failed"
    (event,) = sentry.of_tasks()
    (raised,) = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("LookupError", "no such page")
    assert "isolated_failure" in event["contexts"]["isolated task"]["traceback"]


def test_a_task_that_killed_its_workers_is_an_event(sentry, django_user_model) -> None:
    owner = django_user_model.objects.create_user("jane")
    apps.get_app_config("workers").ready()
    try:
        message = tasks.effect.send_with_options(args=(SECRET,), owner_id=owner.pk)
        worker_id = uuid.uuid4()
        ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=worker_id)
        TaskStatus.objects.update(started_at=timezone.now())
        ledger.rescue(worker_id, max_crashes=1)
    finally:
        ended_by_ledger.disconnect(dispatch_uid="workers")
    (event,) = sentry.of_tasks()
    assert event["logentry"]["message"] == TaskStatus.objects.get().error_message
    assert event["user"] == {"id": str(owner.pk)}
    assert [crumb["data"]["outcome"] for crumb in event["breadcrumbs"]["values"]] == ["poison"]
    assert SECRET not in json.dumps(event)


@pytest.mark.processes
def test_the_settings_send_errors_of_workers(server: Server, worker: Callable[..., Any], ended, wait_until) -> None:
    started = worker("--processes", "1", "--threads", "2", SENTRY_DSN=server.dsn, LOG_LEVEL="INFO")
    message = tasks.see_twice.send_with_options(args=(SECRET,), max_retries=0)
    assert ended(message).status == "failed"
    found = wait_until(lambda: [one for one in server.of_tasks() if one["tags"]["task_id"] == message.message_id])
    started.stop()
    (event,) = found
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert not any("vars" in frame for frame in frames)
    assert [one for one in server.of_tasks() if one is not event] == []
