"""Refusals of a quota. Each message is a sentence for the user: the figure, the limit and what helps."""

import math

from rest_framework import status
from rest_framework.exceptions import APIException

from apps.accounts.errors import spoken

#: End of a sentence: the help that is always there.
MORE = "ask an administrator for more"


class QuotaError(APIException):
    """A quota is used up. The API answers with the sentence, pages show it beside the form."""

    default_code = "quota"
    #: Seconds after which the request may be repeated. None: time does not help.
    wait: int | None = None


class NoRoomError(QuotaError):
    """The user has as much as may be stored. Only a deletion helps, or a higher quota."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class NotNowError(QuotaError):
    """The user has as much under way, or did as much, as may be at once. Time helps.

    Parameters:
      sentence: May hold `{wait}`, for the wait in words.
      wait: Seconds after which the request may be repeated.
    """

    status_code = status.HTTP_429_TOO_MANY_REQUESTS

    def __init__(self, sentence: str, *, wait: float) -> None:
        self.wait = max(1, math.ceil(wait))
        super().__init__(sentence.replace("{wait}", spoken(self.wait)))
