"""Answer requests with values that the database refuses. The API's own handler does so for the API."""

import logging

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from aiWriting import error_pages
from apps.core.refused_value import is_refused_value

logger = logging.getLogger(__name__)


class RefusedValueMiddleware(MiddlewareMixin):
    """Answers 400, since Django's admin takes numbers of any size as keys."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not is_refused_value(exception):
            return None
        logger.warning("database refused a value path=%s error=%s", request.path, exception)
        return error_pages.bad_request(request, exception)
