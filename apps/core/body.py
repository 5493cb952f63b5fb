"""Sizes of request bodies that views take. The outermost layer reads them before it reads a body."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

#: Largest body of a request without a manuscript, in bytes.
SMALL_BODY_BYTES = 64 * 1024

View = TypeVar("View", bound=Callable[..., Any])


class BodyLimit(Protocol):
    """Return the largest body in bytes.

    Parameters:
      action: Action of a view set, otherwise the method in small letters.
      content_type: Media type of the body with its parameters.
    """

    def __call__(self, *, action: str, content_type: str) -> int: ...


def takes_body(limit: BodyLimit) -> Callable[[View], View]:
    """Return a decorator for views that take more than `SMALL_BODY_BYTES`. It must be the outermost."""

    def decorate(view: View) -> View:
        view.body_limit_bytes = limit  # type: ignore[attr-defined]
        return view

    return decorate


def limit_of(view: Callable[..., Any], *, method: str, content_type: str) -> int:
    """Return the largest body that the view takes, in bytes.

    The view says it in its own `body_limit_bytes`, or in that of its class or of its model's admin.
    """
    for owner in (view, *(getattr(view, name, None) for name in ("cls", "view_class", "model_admin"))):
        limit: BodyLimit | None = getattr(owner, "body_limit_bytes", None)
        if limit is not None:
            actions: dict[str, str] = getattr(view, "actions", None) or {}
            return limit(action=actions.get(method.lower(), method.lower()), content_type=content_type)
    return SMALL_BODY_BYTES
