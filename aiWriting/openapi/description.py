"""The whole description, and the view that serves it."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

# Spectacular finds its extensions once they are imported.
from aiWriting.openapi import security as security
from aiWriting.openapi import views as views

CONTENT_TYPE = "application/vnd.oai.openapi+json"


def api_alone(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Return the operations of the API. Pages and files of the site are none."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/")]


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Return the description. It is the same for everyone, and tells nothing that the code does not."""
    return HttpResponse(_rendered(), content_type=CONTENT_TYPE)


@cache
def _rendered() -> bytes:
    """Return the description as JSON. The code does not change while a process lives."""
    return bytes(OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True)))
