"""Limit the event streams that a user has open at once in this process."""

import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException

from apps.tasks.errors import TaskError

#: Seconds after which a client may ask for a stream again.
RETRY_SECONDS = 15

#: Reentrant, since a place may be forgotten in the middle of a count.
_lock = threading.RLock()
_open: Counter[Any] = Counter()


class TooManyStreamsError(TaskError, APIException):
    """50 of your 50 event streams are open. Close one, or wait until its task has ended."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "too_many_streams"
    wait = RETRY_SECONDS

    def __init__(self, *, number: int, limit: int) -> None:
        sentence = _(
            "%(number)s of your %(limit)s event streams are open. Close one, or wait until its task has ended."
        )
        APIException.__init__(self, sentence % {"number": f"{number:,}", "limit": f"{limit:,}"})


def counted(response: HttpResponseBase, *, user_id: Any, limit: int) -> HttpResponseBase:
    """Return the response with its stream counted to the user until it ends. One that does not stream stays as it is.

    Parameters:
      limit: Number of streams that the user may have open. 0: no limit.

    Raises:
      TooManyStreamsError: The user has as many.
    """
    if not isinstance(response, StreamingHttpResponse):
        return response
    with _lock:
        if limit and _open[user_id] >= limit:
            raise TooManyStreamsError(number=_open[user_id], limit=limit)
        _open[user_id] += 1
    place = _Place()
    # The stream alone refers to it, so it goes with the stream, also if a client leaves before the first event.
    leave = weakref.finalize(place, _leave, user_id)
    leave.atexit = False
    response.streaming_content = _passed_on(response.streaming_content, place, leave)
    return response


def count() -> int:
    """Return the number of event streams that are open in this process."""
    with _lock:
        return _open.total()


class _Place:
    """The place of one stream."""


async def _passed_on(events: Any, place: _Place, leave: Callable[[], object]) -> AsyncIterator[bytes]:
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    finally:
        # At once: the error of a stream that was cut off keeps its place until the next collection of garbage.
        leave()


def _leave(user_id: Any) -> None:
    with _lock:
        _open[user_id] -= 1
        if not _open[user_id]:
            del _open[user_id]
