"""Addresses as logs and error events show them: without the secrets that links in e-mails have."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from django.urls import Resolver404, resolve

#: Name of the part of an address that is a secret.
SECRET_PART = "token"  # noqa: S105 (A name.)
#: Secrets are longer than other parts of addresses: a path without one this long needs no look.
LEAST_SECRET_LENGTH = 16


def without_values(url: str) -> str:
    """Return an address with the names of its parameters for their values, but for numbers."""
    try:
        parts = urlsplit(url)
    except ValueError:  # By a Host header that is refused.
        return ""
    origin = f"{parts.scheme}://{parts.netloc}"
    path = _replaced(parts.path, lambda name, value: not value.isdigit())
    return origin if path is None else origin + path


def without_secret(path: str) -> str:
    """Return a path, which may have a query, with a placeholder for its secret if it has one."""
    alone, mark, query = path.partition("?")
    if all(len(segment) < LEAST_SECRET_LENGTH for segment in alone.split("/")):
        return path
    found = _replaced(alone, lambda name, value: name == SECRET_PART)
    return path if found is None or found == unquote(alone) else found + mark + query


def _replaced(path: str, is_hidden: Callable[[str, str], bool]) -> str | None:
    """Return a path with names for the values that are hidden. None: no page has this path."""
    segments = unquote(path).split("/")
    values: Mapping[str, object] | None = None
    for ending in ("", "/"):  # A link that lost its last character is redirected, and its secret is one still.
        with suppress(Resolver404):
            values = resolve("/".join(segments) + ending).kwargs
            break
    if values is None:
        return None
    names = {str(value): f"<{name}>" for name, value in values.items() if is_hidden(name, str(value))}
    return "/".join(names.get(segment, segment) for segment in segments)
