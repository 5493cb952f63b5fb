"""Compression of pages and of static files."""

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

#: Types of static files that become smaller.
COMPRESSED = ("text/", "image/svg+xml", "application/javascript", "application/json")


class CompressedPages(GZipMiddleware):
    """Compresses pages. Streams stay as they are: events must not wait, and files are small already or large.

    Django adds bytes at random, so that the size of a page tells no secret in it.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = not response.streaming and response.headers.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Serves static files. Where nothing was collected, they are compressed here, each once."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponseBase:
        answer: Any = WhiteNoiseMiddleware.serve(static_file, request)
        headers = answer.headers
        if (
            request.method != "GET"
            or answer.status_code != 200
            or "Content-Encoding" in headers
            or not headers.get("Content-Type", "").startswith(COMPRESSED)
            or "gzip" not in request.headers.get("Accept-Encoding", "")
        ):
            return answer  # type: ignore[no-any-return]
        path = Path(answer.file_to_stream.name)
        answer.file_to_stream.close()  # Not the answer: that would end the request.
        content = compressed(path, path.stat().st_mtime_ns)
        about = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "Content-Length": str(len(content))}
        return HttpResponse(content, headers=dict(headers.items()) | about)


@lru_cache(maxsize=1_000)
def compressed(path: Path, changed: int) -> bytes:
    """Return the compressed content of a file.

    Parameters:
      changed: Time of its last change. Another one is another content.
    """
    return gzip.compress(path.read_bytes(), mtime=0)
