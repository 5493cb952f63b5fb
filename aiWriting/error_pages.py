"""Pages of errors. They show nothing of the request: it may be the request that cannot be read."""

from contextlib import suppress

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.csrf import csrf_failure


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(render_to_string("400.html"), status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(render_to_string("403.html"), status=403)


def form_without_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form that another site may have sent, and find its user for the log line."""
    with suppress(DatabaseError):
        str(request.user)
    return csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(render_to_string("404.html"), status=404)


def failed(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render_to_string("500.html"), status=500)
