"""Answer requests whose work is refused for now. The API's own handler does so for the API."""

import logging

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from apps.core.busy import BusyError
from apps.pages.access import trouble

logger = logging.getLogger(__name__)


class BusyMiddleware(MiddlewareMixin):
    """Answers 429 with the time after which another try may help, on any page."""

    #: The last in the list, so that all of them run in the thread of the view: no view is a coroutine. As coroutines
    #: they would go to that thread and back two dozen times a request.
    async_capable = False

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, BusyError):
            return None
        logger.warning("refused for now path=%s error=%s", request.path, exception)
        response = trouble(request, exception.sentence, status=429)
        response.headers["Retry-After"] = str(exception.wait)
        return response
