"""A task as server-sent events, behind a real ASGI server."""

import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import Client

from apps.tasks import ledger, states
from apps.tasks.api import events
from apps.tasks.models import TaskStatus
from apps.tasks.values import Claim, Outcome, Report, Send
from tests.clients import Writer, writer
from tests.web import Event, EventStream, serving

WaitUntil = Callable[..., Any]


@pytest.fixture
def jane(transactional_db: None) -> Writer:
    return writer("jane")


@pytest.fixture
def port(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.02)
    with serving() as number:
        yield number


class Task:
    """A task of a user, and the changes that its worker makes."""

    def __init__(self, owner: Writer) -> None:
        self.owner = owner
        self.claim = Claim(
            task_id=str(uuid.uuid4()), row_id=0, attempt=0, claim_id=uuid.uuid4(), worker_id=uuid.uuid4()
        )
        ledger.record([Send(task_id=self.id, task_name="a.task", queue_name="default", owner_id=owner.user.pk)])

    @property
    def id(self) -> str:
        return self.claim.task_id

    @property
    def path(self) -> str:
        return f"/api/tasks/{self.id}/events/"

    def start(self) -> None:
        held, _ = ledger.claim([(self.id, 0)], claim_id=self.claim.claim_id, worker_id=self.claim.worker_id)
        self.claim = self.claim._replace(row_id=held[0].row_id)

    def report(self, percent: int, text: str) -> None:
        ledger.report([Report(claim=self.claim, percent=percent, text=text, ran_ms=1)])

    def complete(self, result: Any = None) -> None:
        ledger.finish([Outcome(claim=self.claim, move=states.COMPLETE, result=result, ran_ms=1)])
        assert TaskStatus.objects.get(task_id=self.id).status == states.COMPLETED

    def follow(self, port: int, **headers: str) -> EventStream:
        return EventStream(port, self.path, Authorization=f"Token {self.owner.token}", **headers)


@pytest.fixture
def task(jane: Writer) -> Task:
    return Task(jane)


def named(event: Event | None) -> Event:
    assert event is not None, "the stream has ended"
    return event


def test_the_state_comes_at_once_then_each_change_and_the_end(port: int, task: Task) -> None:
    with task.follow(port) as stream:
        seen = [named(stream.next())]
        task.start()
        seen.append(named(stream.next()))
        task.report(25, "Reading\nchapter 3 \u2028 é")
        seen.append(named(stream.next()))
        task.complete({"words": 5})
        seen += [named(stream.next()), named(stream.next())]

        assert stream.next() is None
    assert [event.name for event in seen] == ["progress"] * 4 + ["end"]
    assert [event.data["status"] for event in seen] == ["pending", "processing", "processing", "completed", "completed"]
    assert [event.data["progress"] for event in seen] == [0, 0, 25, 100, 100]
    assert seen[2].data["progress_text"] == "Reading\nchapter 3 \u2028 é"
    assert seen[4].data["result"] == {"words": 5}
    assert len({event.id for event in seen}) == 5
    assert seen[4].data | {"why": None} == task.owner.get(f"/api/tasks/{task.id}/").json()


def test_a_finished_task_ends_at_once(port: int, task: Task) -> None:
    task.start()
    task.complete()

    with task.follow(port) as stream:
        assert [named(stream.next()).name, named(stream.next()).name] == ["progress", "end"]
        assert stream.next() is None


def test_no_proxy_may_keep_it(port: int, task: Task) -> None:
    with task.follow(port, Accept="text/event-stream") as stream:
        assert stream.response.status == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "private, no-store"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert stream.response.headers["Content-Length"] is None


def test_a_state_that_does_not_change_is_not_sent_again(port: int, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.1)

    with task.follow(port) as stream:
        assert named(stream.next()).name == "progress"
        assert [named(stream.next()).comment for _ in range(3)] == ["still here"] * 3
        # A column that is not shown.
        TaskStatus.objects.update(options={"changed": True})
        assert named(stream.next()).comment
        task.start()
        assert named(stream.next_with_name()).data["status"] == "processing"


def test_a_client_that_comes_back_after_the_end_is_stopped(port: int, task: Task) -> None:
    task.start()
    task.complete()

    with task.follow(port, Last_Event_ID="end") as stream:
        assert stream.response.status == 204


def test_a_retried_task_is_streamed_to_a_client_that_saw_its_end(port: int, task: Task) -> None:
    with task.follow(port, Last_Event_ID="end") as stream:
        assert named(stream.next()).data["status"] == "pending"


def test_a_session_can_follow_too(port: int, task: Task) -> None:
    browser = Client()
    browser.force_login(task.owner.user)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"

    with EventStream(port, task.path, Cookie=cookie) as stream:
        assert named(stream.next()).data["task_id"] == task.id


@pytest.mark.parametrize("suffix", ["", "x"])
def test_another_user_learns_nothing(port: int, task: Task, suffix: str) -> None:
    emily = writer("emily")
    path = task.path.replace("/events", f"{suffix}/events")

    with EventStream(port, path, Authorization=f"Token {emily.token}", Accept="text/event-stream") as stream:
        assert stream.response.status == 404
        assert stream.response.headers["Content-Type"] == "application/json"
        assert task.id not in stream.response.read().decode()
    with EventStream(port, path) as stream:
        assert stream.response.status == 401


def test_a_task_that_is_deleted_ends_its_stream(port: int, task: Task) -> None:
    with task.follow(port) as stream:
        stream.next()
        TaskStatus.objects.all().delete()

        assert named(stream.next()) == Event(name="end", id="end", data=None)
        assert stream.next() is None


def test_a_client_that_leaves_ends_its_stream(port: int, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    stream_of = events.stream

    async def watched(first: events.Seen, **options: Any) -> AsyncIterator[bytes]:
        try:
            async for news in stream_of(first, **options):
                yield news
        finally:
            ended.set()

    monkeypatch.setattr(events, "stream", watched)

    with task.follow(port) as stream:
        stream.next()
        assert not ended.is_set()

    assert ended.wait(60)


def test_streams_share_their_looks(
    port: int, jane: Writer, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    looks: list[set[str]] = []
    find = events.find

    def counted(task_ids: Collection[str]) -> dict[str, events.Seen]:
        looks.append(set(task_ids))
        return find(task_ids)

    monkeypatch.setattr(events, "find", counted)
    tasks = [Task(jane) for _ in range(5)]
    with ExitStack() as stack:
        streams = [stack.enter_context(task.follow(port)) for task in tasks]
        for stream in streams:
            stream.next()

        wait_until(lambda: looks and looks[-1] == {task.id for task in tasks})
        for task, stream in zip(tasks, streams, strict=True):
            task.start()
            assert named(stream.next()).data["task_id"] == task.id


def test_a_stream_leaves_its_thread_to_other_requests(port: int, task: Task) -> None:
    threads: set[int | None] = set()

    def remember(**rest: Any) -> None:
        if (thread := threading.current_thread()).name.startswith("request"):
            threads.add(thread.ident)

    connection_created.connect(remember)
    try:
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(task.follow(port)).next()
    finally:
        connection_created.disconnect(remember)
    assert len(threads) == 1


def test_no_connection_is_held_between_two_looks(
    task: Task, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    """Not even where Django starts a thread for each request."""
    opened: list[BaseDatabaseWrapper] = []

    def remember(connection: BaseDatabaseWrapper, **rest: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            opened.append(connection)

    connection_created.connect(remember)
    try:
        with serving(ASGIHandler()) as port, task.follow(port) as stream:
            stream.next()
            # One signed the client in, and each look has its own.
            wait_until(lambda: len(opened) >= 4)
            monkeypatch.setattr(events, "LOOK_SECONDS", 3600)
            wait_until(lambda: all(connection.connection is None for connection in opened))
            assert stream.response.isclosed() is False
    finally:
        connection_created.disconnect(remember)


def test_a_stream_outlives_a_database_that_is_away(
    port: int, task: Task, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    away = threading.Event()
    refused: list[float] = []
    find = events.find

    def find_if_there(task_ids: Collection[str]) -> dict[str, events.Seen]:
        if away.is_set():
            refused.append(time.monotonic())
            raise OperationalError("the database system is shutting down")
        return find(task_ids)

    monkeypatch.setattr(events, "find", find_if_there)

    with task.follow(port) as stream:
        stream.next()
        away.set()
        wait_until(lambda: len(refused) >= 3)
        task.start()
        away.clear()

        assert named(stream.next()).data["status"] == "processing"


def test_a_head_request_is_no_stream(port: int, task: Task) -> None:
    response = task.owner.head(task.path)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert not response.streaming


# --- WSGI ---


def test_without_asgi_the_client_comes_back_for_each_event(task: Task) -> None:
    first = task.owner.get(task.path)
    task.start()
    task.complete()
    last = task.owner.get(task.path)

    assert first.headers["Content-Type"] == "text/event-stream"
    lines = first.content.decode().splitlines()
    assert lines[0] == "retry: 1000"
    assert [line for line in lines if line.startswith("event")] == ["event: progress"]
    assert [line for line in last.content.decode().splitlines() if line.startswith("event")] == [
        "event: progress",
        "event: end",
    ]


# --- All of it ---


@pytest.mark.processes
def test_a_manuscript_can_be_followed_from_upload_to_analysis(
    port: int, jane: Writer, worker: Callable[..., Any]
) -> None:
    worker()  # With a relay, since the documents of users take turns.
    project = jane.post("/api/projects/", {"name": "Emma"}).json()
    text = "Chapter 1\n\nEmma was handsome.\n\nChapter 2\n\nShe was clever. She was rich.\n"
    fields = {"project": project["id"], "title": "Emma", "text": text}
    document = jane.post("/api/documents/", fields).json()
    started = jane.post(f"/api/documents/{document['id']}/process/").json()

    path = started["task_url"].removeprefix("http://testserver") + "events/"
    with EventStream(port, path, Authorization=f"Token {jane.token}") as stream:
        while (event := named(stream.next())).name != "end":
            assert event.data["status"] in states.STATES

    assert event.data["status"] == "completed"
    answer = jane.get(f"/api/documents/{document['id']}/").json()
    assert answer["status"] == "processed"
    assert [chapter["sentences"] for chapter in answer["analysis"]["chapters"]] == [1, 2]
