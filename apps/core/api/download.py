"""Send a file that the browser saves and does not show."""

from collections.abc import AsyncIterator
from typing import IO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

#: Bytes of a file that are read and sent at a time. No more of it is in memory.
PIECE_BYTES = 256 * 1024
#: Content type that a browser neither shows nor runs.
CONTENT_TYPE = "application/octet-stream"


def download(request: HttpRequest, file: IO[bytes], *, filename: str, size_bytes: int) -> HttpResponseBase:
    """Return the response that sends a file under a name, piece by piece.

    Parameters:
      file: Open for reading. It is closed after it was sent.
    """
    headers = {
        "Content-Length": str(size_bytes),
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=filename) or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    if isinstance(request, ASGIRequest):
        # Django would read all of an ordinary file before it sends the first byte.
        return StreamingHttpResponse(_pieces(file), content_type=CONTENT_TYPE, headers=headers)
    response = FileResponse(file, content_type=CONTENT_TYPE)
    for name, value in headers.items():
        response[name] = value
    return response


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while piece := await sync_to_async(file.read)(PIECE_BYTES):
            yield piece
    finally:
        file.close()
