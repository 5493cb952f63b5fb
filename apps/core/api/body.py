"""Limit the body of a request before it is read."""

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.api.errors import LengthRequiredError, RequestTooLargeError

#: Largest body of a request without a manuscript, in bytes.
SMALL_BODY_BYTES = 64 * 1024


class LimitedBody(APIView):
    """Refuses a body by its length, before it is parsed and before the user is authenticated."""

    def body_limit_bytes(self, request: Request) -> int:
        """Return the largest size of this request's body, in bytes."""
        return SMALL_BODY_BYTES

    def too_large(self, *, size_bytes: int, limit_bytes: int) -> RequestTooLargeError:
        return RequestTooLargeError(f"The request has {size_bytes:,} bytes, and at most {limit_bytes:,} can be taken.")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        length = request.headers.get("content-length") or ""
        if not length and "transfer-encoding" in request.headers:
            raise LengthRequiredError
        size_bytes = int(length) if length.isdecimal() else 0
        if size_bytes > (limit_bytes := self.body_limit_bytes(request)):
            raise self.too_large(size_bytes=size_bytes, limit_bytes=limit_bytes)
        super().initial(request, *args, **kwargs)
