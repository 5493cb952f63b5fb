"""The changing part of the dashboard. All pages that ask for it within a moment, and may see the same, share one."""

import gzip
import math
import re
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.safestring import SafeString, mark_safe

from apps.tasks.admin import elements, etag

#: Seconds for which a part is given to open pages that ask for it again, and to a page that is opened.
KEPT_SECONDS, FRESH_SECONDS = 4.0, 1.0
#: Seconds for which it is given in addition while another request makes the next one.
PATIENCE_SECONDS = 5.0
#: Number of parts that are kept.
MOST = 50

#: Indentation of a template.
INDENT = re.compile(r"\n\s+")
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part as users with equal permissions see it.

    Parameters:
      at: Its time in words.
      etag: Tag of all that it shows, without its own time.
    """

    html: SafeString
    at: str
    etag: str
    made_at: float = field(default_factory=time.monotonic)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the part. 304: the page has it."""
        answer = get_conditional_response(request, etag=self.etag)
        if answer is None and "gzip" in request.headers.get("Accept-Encoding", ""):
            # Not by the middleware: it would compress the same part for each page.
            answer = HttpResponse(self.compressed, headers={"Content-Encoding": "gzip"})
        answer = answer or HttpResponse(self.html)
        patch_vary_headers(answer, ["Accept-Encoding"])
        answer["ETag"], answer["As-Of"] = self.etag, quote(self.at)
        return answer

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.html.encode(), mtime=0)


#: Parts by all that they depend on.
kept: dict[Hashable, Part] = {}
#: Held while a part is made. Other requests get the one before it meanwhile.
making = threading.Lock()


def shared(key: Hashable, make: Callable[[], Part], *, most_seconds: float) -> Part:
    """Return the part that was made for this key within the last seconds, or make one."""
    known = kept.get(key)
    age = math.inf if known is None else time.monotonic() - known.made_at
    if known is not None and age <= most_seconds:
        return known
    is_mine = making.acquire(blocking=False)
    try:
        if known is not None and not is_mine and age <= most_seconds + PATIENCE_SECONDS:
            return known
        if len(kept) >= MOST:
            kept.clear()
        found = kept[key] = make()
        return found
    finally:
        if is_mine:
            making.release()


def render(shown: dict[str, Any], request: HttpRequest, *, at: datetime) -> Part:
    """Return the part.

    Parameters:
      shown: The context of the template.
      at: The time of the part. It does not change the tag, and neither do the times of running tasks and the numbers in
        sentences about trouble, such as how long a task has waited, for `etag.STEADY_SECONDS`.
    """
    texts = [elements.timestamp(at), *(task["time"] for task in shown["running"])]
    marks = [f"\x00{number}\x00" for number in range(len(texts))]
    running = [task | {"time": mark} for task, mark in zip(shown["running"], marks[1:], strict=True)]
    context = {**shown, "running": running, "at": marks[0]}
    html = _without_indentation(render_to_string("tasks/now/part.html", context, request))
    steady = etag.steady(time.time()) if running or shown["troubles"] else 0
    troubles, end, others = html.partition("</section>")
    tag = etag.of(f"{steady} {NUMBER.sub('', troubles)}{end}{others}")
    for mark, text in zip(marks, texts, strict=True):
        html = html.replace(mark, text)
    return Part(html=mark_safe(html), at=elements.exact(at), etag=tag)  # noqa: S308 - rendered above


def without_indentation(answer: HttpResponse) -> None:
    """Take the indentation of the templates out of a rendered page. It is a fifth of it."""
    answer.content = _without_indentation(answer.content.decode())


def _without_indentation(html: str) -> str:
    # The first page has code, whose indentation counts.
    return html if "<pre" in html else INDENT.sub("\n", html)
