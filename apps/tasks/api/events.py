"""A task as server-sent events: its state now, each change, and the end.

    id: 1763800000123456
    event: progress
    data: {"task_id": "...", "status": "processing", "progress": 25, ...}

The last event is `end`, with the task's last state. All streams of an event loop share one query every
`LOOK_SECONDS`. Between two queries no connection is held, whatever the number of streams.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from typing import TypeVar
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from apps.core.connections import close_idle, leave_to_stream
from apps.tasks.api.followers import Follower, Watch
from apps.tasks.api.serializers import TaskSerializer
from apps.tasks.models import TaskStatus

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
#: Makes the JSON of a task, as a user may see it.
Serializer = Callable[[TaskStatus], BaseSerializer[TaskStatus]]

#: Seconds between two looks at the rows.
LOOK_SECONDS = 0.3
#: Seconds of silence after which a comment is sent. It shows proxies, and us, that the other end is still there.
KEEP_ALIVE_SECONDS = 15.0
#: Milliseconds before a client comes back for the next event. Without ASGI a stream is one event.
RECONNECT_MS = 1_000

CONTENT_TYPE = "text/event-stream"
#: No cache may keep events, and no proxy may keep them back to send them together.
HEADERS = {"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"}
#: Id of the last event. A client that comes back with it has seen everything.
END_ID = "end"
KEEP_ALIVE = b": still here\n\n"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A task as it was at one look.

    Parameters:
      id: Identity of this state, which differs from that of earlier ones.
      json: The task as the API shows it, in one line.
      task: The row, for users whom the API shows more.
    """

    task_id: str
    id: str
    json: bytes
    is_finished: bool
    task: TaskStatus

    def events(self) -> bytes:
        """Return the events for this state."""
        news = event("progress", self.json, id=self.id)
        return news + event("end", self.json, id=END_ID) if self.is_finished else news

    def shown_by(self, staff: Serializer | None) -> "Seen":
        """Return the same state as staff see it, for whom the JSON is made anew for each stream. None: as its owner."""
        return self if staff is None else replace(self, json=json_of(self.task, staff))


def json_of(task: TaskStatus, serializer: Serializer) -> bytes:
    found: bytes = JSONRenderer().render(serializer(task).data)
    return found


def seen(task: TaskStatus) -> Seen:
    return Seen(
        task_id=task.task_id,
        id=str(int(task.updated_at.timestamp() * 1_000_000)),
        json=json_of(task, TaskSerializer),
        is_finished=task.is_finished,
        task=task,
    )


def event(name: str, data: bytes, *, id: str) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (id.encode(), name.encode(), data)


def response(request: Request, task: TaskStatus, *, staff: Serializer | None) -> HttpResponseBase:
    """Return the stream of a task that the user may see now.

    Parameters:
      staff: Makes the task's JSON for a user who sees all tasks. None: the user is its owner.
    """
    first = seen(task).shown_by(staff)
    if request.method == "HEAD":
        return HttpResponse(content_type=CONTENT_TYPE, headers=HEADERS)
    if isinstance(request._request, ASGIRequest):
        follower = Follower.of(request, task.task_id)
        news = stream(first, follower=follower, staff=staff)
        return StreamingHttpResponse(news, content_type=CONTENT_TYPE, headers=HEADERS)
    # A stream would take one of WSGI's few threads for as long as the task lasts.
    once = b"retry: %d\n" % RECONNECT_MS + first.events()
    return HttpResponse(once, content_type=CONTENT_TYPE, headers=HEADERS)


async def stream(first: Seen, *, follower: Follower, staff: Serializer | None = None) -> AsyncIterator[bytes]:
    """Yield the events of a task as they come, until the task ends or the user may not follow it any more."""
    # The connection with which the request was signed in would stay open as long as the stream does.
    await sync_to_async(leave_to_stream)()
    looks = Looks.of_this_loop()
    now: Seen | None = first
    sent: bytes = b""
    sent_at = time.monotonic()
    with Watch.of_this_loop().over(follower) as watched:
        while now is not None and watched.may_follow:
            if now.json != sent:
                yield now.events()
                sent, sent_at = now.json, time.monotonic()
            elif time.monotonic() - sent_at >= KEEP_ALIVE_SECONDS:
                yield KEEP_ALIVE
                sent_at = time.monotonic()
            if now.is_finished:
                return
            try:
                found = await looks.look(first.task_id)
                now = found and found.shown_by(staff)
            except DatabaseError as error:
                logger.warning("events wait for the database task_id=%s error=%s", first.task_id, error)
    # The task was deleted or the user may not follow it any more, so the client should not come back.
    yield event("end", b"null", id=END_ID)


class Looks:
    """Looks at the rows, shared by the streams of one event loop."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, "Looks"] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._next: asyncio.Task[dict[str, Seen]] | None = None

    @classmethod
    def of_this_loop(cls) -> "Looks":
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    async def look(self, task_id: str) -> Seen | None:
        """Return the task at the next look, or None if it does not exist.

        Raises:
          django.db.Error: The database did not answer.
        """
        self._wanted.add(task_id)
        if self._next is None:
            self._next = asyncio.create_task(self._look())
        # A client that leaves must not cancel the look of the others.
        return (await asyncio.shield(self._next)).get(task_id)

    async def _look(self) -> dict[str, Seen]:
        await asyncio.sleep(LOOK_SECONDS)
        wanted, self._wanted, self._next = self._wanted, set(), None
        return await asyncio.to_thread(_on_own_connection, lambda: find(wanted))


def find(task_ids: Collection[str]) -> dict[str, Seen]:
    """Return the tasks that exist, by task id."""
    tasks = TaskStatus.objects.defer("args", "kwargs", "options").in_bulk(task_ids, field_name="task_id")
    return {task_id: seen(task) for task_id, task in tasks.items()}


def _on_own_connection(ask: Callable[[], Answer]) -> Answer:
    """Run a query in a pool thread and close its connection afterwards."""
    try:
        return ask()
    finally:
        close_idle()
