"""Errors as the API answers them."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.db import IntegrityError, InterfaceError, OperationalError
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.response import Response
from rest_framework.views import exception_handler as stock_exception_handler

from apps.core.busy import BusyError
from apps.core.refused_value import is_refused_value

logger = logging.getLogger(__name__)

#: Seconds after which a client may retry when the database did not answer.
RETRY_AFTER_SECONDS = 5


class RequestTooLargeError(APIException):
    """The request is larger than it may be."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request is too large."
    default_code = "too_large"


class LengthRequiredError(APIException):
    """The request has a body of unknown length, which would be read as empty."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send the length of the body as Content-Length."
    default_code = "length_required"


class ConflictError(APIException):
    """Something the request needs was deleted or changed while it was answered."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "Something this needs was deleted or changed at this moment. Look at it again, then repeat."
    default_code = "conflict"


class TooBusyError(APIException):
    """Too much is under way."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "busy"

    def __init__(self, error: BusyError) -> None:
        super().__init__(error.sentence)
        self.wait = error.wait


class UnavailableError(APIException):
    """The database does not answer, or another part that the request needs is busy."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database does not answer. Try again in a moment."
    default_code = "unavailable"
    wait = RETRY_AFTER_SECONDS


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Return the JSON response to an error. None: Django answers an unexpected one with 500 and logs it."""
    return stock_exception_handler(_answerable(exception), context)


def _answerable(exception: Exception) -> Exception:
    """Return the API's error for one of Django or of the database. Any other is returned as it is."""
    match exception:
        case RequestDataTooBig():
            return RequestTooLargeError()
        case TooManyFieldsSent() | TooManyFilesSent():
            return ParseError("The form has too many fields or files.")
        case SuspiciousOperation():
            return ParseError("The request is malformed.")
        case BusyError():
            logger.warning("refused for now error=%s", exception)
            return TooBusyError(exception)
        case IntegrityError():
            logger.warning("conflict error=%s", exception)
            return ConflictError()
        case _ if is_refused_value(exception):
            logger.warning("database refused a value error=%s", exception)
            return ParseError("A value cannot be stored.")
        case OperationalError() | InterfaceError():
            logger.error("database does not answer error=%s", exception)
            return UnavailableError()
    return exception
