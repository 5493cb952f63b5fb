"""Number of event streams that a user has open at once."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from pytest_django import Settings

from apps.accounts.models import Allowance
from apps.tasks import states
from apps.tasks.api import events, streams
from apps.tasks.api.streams import TooManyStreamsError
from apps.tasks.models import TaskStatus
from tests import rows
from tests.clients import Writer, writer
from tests.waiting import PATIENCE_SECONDS
from tests.web import EventStream, serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.02)
    with serving() as number:
        yield number


@pytest.fixture
def jane(transactional_db: None) -> Writer:
    return writer("jane")


def follow(port: int, client: Writer) -> EventStream:
    task = rows.task(owner=client.user)
    return EventStream(port, f"/api/tasks/{task.task_id}/events/", Authorization=f"Token {client.token}")


def test_a_stream_too_many_is_refused_in_a_sentence(port: int, jane: Writer, settings: Settings) -> None:
    settings.TASK_EVENT_STREAMS = 2
    with ExitStack() as stack:
        opened = [stack.enter_context(follow(port, jane)) for _ in range(3)]
        assert [stream.response.status for stream in opened] == [200, 200, 429]
        assert opened[2].response.headers["Retry-After"] == "15"
        assert opened[2].response.read() == (
            b'{"detail":"2 of your 2 event streams are open. Close one, or wait until its task has ended."}'
        )
        assert stack.enter_context(follow(port, writer("emily"))).response.status == 200


def test_a_stream_that_ends_makes_room(
    port: int, jane: Writer, settings: Settings, wait_until: Callable[..., Any]
) -> None:
    settings.TASK_EVENT_STREAMS = 1

    def is_taken() -> bool:
        with follow(port, jane) as stream:
            return stream.response.status == 200

    with follow(port, jane) as first:
        assert first.next() is not None
        assert not is_taken()
        TaskStatus.objects.update(status=states.CANCELLED, finished_at="2026-11-28T00:00:00Z")
        wait_until(is_taken, timeout=20)
    # Here the client leaves.
    wait_until(is_taken, timeout=20)


@pytest.mark.parametrize("limit", [50, 0])
def test_open_streams_are_counted_with_and_without_a_limit(
    port: int, jane: Writer, settings: Settings, wait_until: Callable[..., Any], limit: int
) -> None:
    settings.TASK_EVENT_STREAMS = limit
    gc.collect()  # Streams of other tests that never began.
    wait_until(lambda: not streams.count())
    with follow(port, jane), follow(port, writer("emily")):
        assert streams.count() == 2
    wait_until(lambda: not streams.count())


def test_an_allowance_opens_more(port: int, jane: Writer, settings: Settings) -> None:
    settings.TASK_EVENT_STREAMS = 1
    Allowance.objects.create(user=jane.user, event_streams=2)
    with ExitStack() as stack:
        opened = [stack.enter_context(follow(port, jane)) for _ in range(3)]
        assert [stream.response.status for stream in opened] == [200, 200, 429]


# --- Without a server ----------------------------------------------------------------------------


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"event"


def counted(user_id: str, *, limit: int = 1) -> Any:
    return streams.counted(StreamingHttpResponse(endless()), user_id=user_id, limit=limit)


def test_a_response_that_never_starts_to_stream_makes_room() -> None:
    response = counted("jane")
    with pytest.raises(TooManyStreamsError):
        counted("jane")
    del response
    gc.collect()
    counted("jane")


def test_a_stream_that_is_cut_off_makes_room_while_its_error_is_kept() -> None:
    began = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        began.set()
        await asyncio.Event().wait()
        yield b"event"

    async def read() -> None:
        response = streams.counted(StreamingHttpResponse(silent()), user_id="charlotte", limit=1)
        async for _event in response:  # type: ignore[attr-defined]
            pass

    async def cut_off() -> None:
        reading = asyncio.create_task(read())
        await asyncio.wait_for(began.wait(), PATIENCE_SECONDS)
        reading.cancel()
        await reading

    with pytest.raises(asyncio.CancelledError) as kept:
        asyncio.run(cut_off())
    counted("charlotte")
    del kept


def test_zero_is_no_limit() -> None:
    assert len([counted("emily", limit=0) for _ in range(10)]) == 10


def test_a_response_that_does_not_stream_is_not_counted() -> None:
    responses = [HttpResponse(b"event") for _ in range(3)]
    assert [streams.counted(response, user_id="anne", limit=1) for response in responses] == responses
