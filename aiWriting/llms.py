"""`/llms.txt`: a short map of the site for programs that read. https://llmstxt.org has its form."""

from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_text(), content_type="text/plain; charset=utf-8")


@cache
def _text() -> str:
    return Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
