"""Limit the body of a request before it is read."""

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.api.errors import LengthRequiredError, RequestTooLargeError
from apps.core.body import SMALL_BODY_BYTES


class LimitedBody(APIView):
    """Refuses a body by its length, before it is parsed and before the user is authenticated."""

    @classmethod
    def body_limit_bytes(cls, *, action: str, content_type: str) -> int:
        """Return the largest size of a request's body, in bytes."""
        return SMALL_BODY_BYTES

    def too_large(self, *, size_bytes: int, limit_bytes: int) -> RequestTooLargeError:
        return RequestTooLargeError(f"The request has {size_bytes:,} bytes, and at most {limit_bytes:,} can be taken.")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        length = request.headers.get("content-length") or ""
        if not length and "transfer-encoding" in request.headers:
            raise LengthRequiredError
        size_bytes = int(length) if length.isdecimal() else 0
        action = getattr(self, "action", None) or str(request.method).lower()
        limit_bytes = self.body_limit_bytes(action=action, content_type=str(request.content_type))
        if size_bytes > limit_bytes:
            raise self.too_large(size_bytes=size_bytes, limit_bytes=limit_bytes)
        super().initial(request, *args, **kwargs)
