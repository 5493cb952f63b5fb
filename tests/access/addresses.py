"""The addresses of the site, enumerated from its URL configuration."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

#: A parameter in a pattern: `<int:pk>`, or `(?P<pk>[^/.]+)`.
PARAMETER = re.compile(r"\(\?P<(\w+)>(?:[^()\[\]]|\[[^\]]*\])*\)|<(?:\w+:)?(\w+)>")


def addresses(patterns: Any = None, prefix: str = "", namespace: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the pattern of every address of the site."""
    for found in get_resolver().url_patterns if patterns is None else patterns:
        here = prefix + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from addresses(found.url_patterns, here, found.namespace or namespace)
        else:
            assert isinstance(found, URLPattern)
            name = f"{namespace}:{found.name or ''}" if namespace else found.name or ""
            if (here, name) == ("api/", ""):
                yield "api/any", "api/nothing"
            else:
                yield {"admin/(?P<url>.*)$": "admin/any"}.get(here, name or here), here


def filled(pattern: str, values: dict[str, Any]) -> str:
    """Return the path of a pattern with these values of its parameters."""
    return "/" + PARAMETER.sub(lambda found: str(values[found[1] or found[2]]), pattern).replace("^", "").replace(
        "$", ""
    )


def values_of(name: str, site: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the parameters of the address of that name."""
    found: dict[str, Any] = {}
    for part, values in site.items():
        found |= values if part in name else {}
    return found
