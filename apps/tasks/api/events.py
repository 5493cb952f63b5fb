"""A task as server-sent events: its state now, each change, and the end.

    id: 1763800000123456
    event: progress
    data: {"task_id": "...", "status": "processing", "progress": 25, ...}

The last event is `end`, with the task's last state. All streams of an event loop share one look at the database
every `LOOK_SECONDS`; between two looks no connection is held, however many streams there are.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from apps.core.connections import close_idle
from apps.tasks.api.serializers import TaskSerializer
from apps.tasks.models import TaskStatus

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: How long after a look at the rows comes the next one.
LOOK_SECONDS = 0.3
#: After so much silence a comment shows proxies, and us, that the other end is still there.
KEEP_ALIVE_SECONDS = 15.0
#: How often it is asked again whether the user may see the task.
ACCESS_SECONDS = 15.0
#: Without ASGI a stream is one event, and the client comes back for the next one.
RECONNECT_MS = 1_000

CONTENT_TYPE = "text/event-stream"
#: No proxy may keep events back to send them together.
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
#: The id of the last event. A client that comes back with it has seen everything.
END_ID = "end"
KEEP_ALIVE = b": still here\n\n"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A task as it was at one look.

    Parameters:
      id: Tells this state from earlier ones.
      json: What is told of it, in one line.
    """

    task_id: str
    id: str
    json: bytes
    is_finished: bool

    def events(self) -> bytes:
        """What a stream says of it."""
        news = event("progress", self.json, id=self.id)
        return news + event("end", self.json, id=END_ID) if self.is_finished else news


def seen(task: TaskStatus) -> Seen:
    return Seen(
        task_id=task.task_id,
        id=str(int(task.updated_at.timestamp() * 1_000_000)),
        json=JSONRenderer().render(TaskSerializer(task).data),
        is_finished=task.is_finished,
    )


def event(name: str, data: bytes, *, id: str) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (id.encode(), name.encode(), data)


def response(request: Request, task: TaskStatus, *, may_see: Callable[[], bool]) -> HttpResponseBase:
    """The stream of a task that the user may see now.

    Parameters:
      may_see: Asked in a thread, from time to time, whether the user still may.
    """
    first = seen(task)
    if request.method == "HEAD":
        return HttpResponse(content_type=CONTENT_TYPE, headers=HEADERS)
    if isinstance(request._request, ASGIRequest):
        return StreamingHttpResponse(stream(first, may_see=may_see), content_type=CONTENT_TYPE, headers=HEADERS)
    # A stream would take one of WSGI's few threads for as long as the task lasts.
    once = b"retry: %d\n" % RECONNECT_MS + first.events()
    return HttpResponse(once, content_type=CONTENT_TYPE, headers=HEADERS)


async def stream(first: Seen, *, may_see: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The events of a task, as they come. It ends with the task, or when the user may not see it any more."""
    # The connection with which the request was signed in would stay open as long as the stream does.
    await sync_to_async(close_idle)()
    looks = Looks.of_this_loop()
    now: Seen | None = first
    told: bytes = b""
    told_at = checked_at = time.monotonic()
    while now is not None:
        if now.json != told:
            yield now.events()
            told, told_at = now.json, time.monotonic()
        elif time.monotonic() - told_at >= KEEP_ALIVE_SECONDS:
            yield KEEP_ALIVE
            told_at = time.monotonic()
        if now.is_finished:
            return
        try:
            now = await looks.look(first.task_id)
            if time.monotonic() - checked_at >= ACCESS_SECONDS:
                checked_at = time.monotonic()
                now = now if await asyncio.to_thread(_on_own_connection, may_see) else None
        except DatabaseError as error:
            logger.warning("events wait for the database task_id=%s error=%s", first.task_id, error)
    # Deleted, or no longer to be seen: the client should not come back.
    yield event("end", b"null", id=END_ID)


class Looks:
    """The looks at the rows that the streams of one event loop share."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, "Looks"] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._next: asyncio.Task[dict[str, Seen]] | None = None

    @classmethod
    def of_this_loop(cls) -> "Looks":
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    async def look(self, task_id: str) -> Seen | None:
        """The task at the next look; None when there is no such task.

        Raises:
          django.db.Error: The database did not answer.
        """
        self._wanted.add(task_id)
        if self._next is None:
            self._next = asyncio.create_task(self._look())
        # A client that leaves takes the look from nobody else.
        return (await asyncio.shield(self._next)).get(task_id)

    async def _look(self) -> dict[str, Seen]:
        await asyncio.sleep(LOOK_SECONDS)
        wanted, self._wanted, self._next = self._wanted, set(), None
        return await asyncio.to_thread(_on_own_connection, lambda: find(wanted))


def find(task_ids: Collection[str]) -> dict[str, Seen]:
    """Those of the tasks that there are."""
    tasks = TaskStatus.objects.defer("args", "kwargs", "options", "traceback").in_bulk(task_ids, field_name="task_id")
    return {task_id: seen(task) for task_id, task in tasks.items()}


def _on_own_connection(ask: Callable[[], Answer]) -> Answer:
    """Run a query in a pool thread and close its connection afterwards."""
    try:
        return ask()
    finally:
        close_idle()
