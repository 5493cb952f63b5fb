"""An operation of the API in the description: REST framework's settings name the class."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from aiWriting.openapi.components import ERROR, ERROR_OF_FIELDS

JSON = "application/json"

#: Sentence and schema of answers, by their status.
Answers = dict[int, tuple[str, dict[str, Any]]]

#: Answers of every operation.
ALWAYS: Answers = {
    400: ("The request is malformed, or a value of it cannot be taken.", ERROR_OF_FIELDS),
    403: (
        "The user or the token may not do this, the request of a browser has no CSRF token, or it came over plain HTTP "
        "to a site that takes HTTPS alone.",
        ERROR,
    ),
    414: ("The address is too long.", ERROR),
    431: ("There are too many headers.", ERROR),
    429: ("Too many requests, tasks or uploads for now. `Retry-After` says when to repeat it.", ERROR),
    503: ("The site or its database is busy. `Retry-After` says when to repeat it.", ERROR),
}
SIGNED_IN: Answers = {401: ("There is no valid token and no session.", ERROR)}
#: Answers of those about one object, and of pages of a list.
OF_ONE: Answers = {404: ("There is no such object or page, or the user may not know of it.", ERROR)}
#: Answers of those that change something.
CHANGING: Answers = {
    408: ("The body arrives too slowly.", ERROR),
    409: ("What this needs was deleted or changed meanwhile, or has ended.", ERROR),
    411: ("The body has no `Content-Length`.", ERROR),
    413: ("The body is too large, or the user has no room for it.", ERROR),
    415: ("The body has a content type that cannot be taken.", ERROR),
}
HEADERS = (
    OpenApiParameter(
        "Retry-After",
        OpenApiTypes.INT,
        OpenApiParameter.HEADER,
        response=[429, 503],
        description="Seconds after which the request may be repeated.",
    ),
    OpenApiParameter(
        "WWW-Authenticate",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=[401],
        description="The scheme to sign in with: `Token`.",
    ),
)


class Operation(AutoSchema):
    """Adds the answers that no view names: those of the outermost layer, of signing in and of the database.

    An answer that a view's own description names stays as it is there.
    """

    def get_override_parameters(self) -> list[Any]:
        return [*super().get_override_parameters(), *HEADERS]

    def get_tags(self) -> list[str]:
        return [self.path.split("/")[2] or "api"]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        found: dict[str, Any] = super()._get_response_bodies(direction)
        for code, (description, schema) in self._errors():
            if str(code) not in found:
                answer = OpenApiResponse(schema, description=description)
                found[str(code)] = self._get_response_for_code(answer, str(code), [JSON], direction)
        return dict(sorted(found.items()))

    def _errors(self) -> Iterator[tuple[int, tuple[str, dict[str, Any]]]]:
        yield from ALWAYS.items()
        if self.view.authentication_classes:
            yield from SIGNED_IN.items()
        if "{" in self.path or self._is_list_view():
            yield from OF_ONE.items()
        if self.method != "GET":
            yield from CHANGING.items()
