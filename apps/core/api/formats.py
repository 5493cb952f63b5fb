"""JSON requests and responses. REST framework's settings name these classes, so no view is imported here."""

from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser as StockJSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JSONParser(StockJSONParser):
    """REST framework's parser, which also refuses JSON that is nested too deeply."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - it is nested too deeply.") from None


class AlwaysJSON(DefaultContentNegotiation):
    """Answers in JSON whatever the client accepts: a client that waits for a page or for events can read an error."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)
