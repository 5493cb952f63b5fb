"""Answer requests with values that the database refuses. The API's own handler does so for the API."""

import logging

from django.contrib.admin.options import TO_FIELD_VAR
from django.core.exceptions import FieldDoesNotExist
from django.db import ProgrammingError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from aiWriting import error_pages
from apps.core.refused_value import is_refused_value

logger = logging.getLogger(__name__)


class RefusedValueMiddleware(MiddlewareMixin):
    """Answers 400, since Django's admin takes numbers of any size as keys."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not (
            is_refused_value(exception) or _is_of_a_lookup(request, exception) or _is_of_no_field(request, exception)
        ):
            return None
        logger.warning("database refused a value path=%s error=%s", request.path, exception)
        return error_pages.bad_request(request, exception)


def _is_of_a_lookup(request: HttpRequest, error: Exception) -> bool:
    """Return whether the error comes from a filter in the address of a list of the admin, such as `at__year=-1`.

    Django's admin takes all lookups of a column that has a filter, and some fail on the values of others.
    """
    match = request.resolver_match
    is_list = match is not None and (match.url_name or "").endswith("_changelist")
    has_lookup = any("__" in name for name in request.GET)
    return is_list and has_lookup and isinstance(error, (ValueError, IndexError, OverflowError, ProgrammingError))


def _is_of_no_field(request: HttpRequest, error: Exception) -> bool:
    """Return whether the address names the field of a key as an empty text, which Django's admin does not check."""
    return isinstance(error, FieldDoesNotExist) and TO_FIELD_VAR in {**request.GET, **request.POST}
