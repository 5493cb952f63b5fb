"""JSON requests and responses. REST framework's settings name these classes, so no view is imported here."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils import json

#: Values that a request may have besides its texts, and strings that are told apart from them.
MAX_VALUES, MAX_STRINGS = 65_536, 1_000
#: One that does not end goes to the end of the text, so that none is looked for in it again and again.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class JSONParser(BaseParser):
    """Refuses JSON that is nested too deeply or has too many values.

    A value of three bytes takes a hundred in memory, and a request may be as large as a manuscript. It is no subclass
    of REST framework's parser, whose bodies are limited to the size of the text, while letters may be escaped in JSON.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            text = stream.read().decode()
            if _has_too_many_values(text):
                raise ValueError(f"it has more than {MAX_VALUES:,} values.")
            return json.loads(text, parse_constant=json.strict_constant)
        except RecursionError:
            raise ParseError("JSON parse error - it is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from None


def _has_too_many_values(text: str) -> bool:
    if sum(map(text.count, ",[{")) <= MAX_VALUES:
        return False
    strings = islice(_STRING.finditer(text), MAX_STRINGS)
    return len(text) - sum(found.end() - found.start() for found in strings) > MAX_VALUES


class AlwaysJSON(DefaultContentNegotiation):
    """Answers in JSON whatever the client accepts: a client that waits for a page or for events can read an error."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)
