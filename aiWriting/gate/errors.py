"""Refusals of the outermost layer."""

from collections.abc import Iterable


class GateError(Exception):
    """A request that is refused, with the sentence for its sender.

    Parameters:
      status: Status of the answer.
      retry_after_seconds: Seconds after which the same request may be accepted.
    """

    def __init__(self, detail: str, *, status: int, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class MalformedError(GateError):
    """No view could make sense of the request."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, status=400)


class UnknownMethodError(GateError):
    """No view has the method.

    Parameters:
      allowed: Methods that views may have.
    """

    def __init__(self, *, allowed: Iterable[str]) -> None:
        super().__init__("This method is not known here.", status=405)
        self.allowed = ", ".join(sorted(allowed))


class TooLargeError(GateError):
    """The body is larger than the view takes."""

    def __init__(self, *, size: str, limit_bytes: int) -> None:
        super().__init__(f"The request has {size} bytes, and at most {limit_bytes:,} can be taken.", status=413)


class TooSlowError(GateError):
    """The body does not arrive in time."""

    def __init__(self) -> None:
        super().__init__("The request arrives too slowly.", status=408)


class ClientBusyError(GateError):
    """The client has too many requests at once."""

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many requests at once. Wait until some are answered, then try again.",
            status=429,
            retry_after_seconds=retry_after_seconds,
        )


class BusyError(GateError):
    """All clients together have too many requests at once."""

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "The site is busy. Try again in a moment.", status=503, retry_after_seconds=retry_after_seconds
        )
