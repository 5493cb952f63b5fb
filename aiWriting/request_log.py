"""The client and the view of the request that a log line is about."""

import logging

from django.http import HttpRequest

from aiWriting.gate.known_users import user_id_of
from apps.accounts.sign_in.client import address_of


class RequestFields(logging.Filter):
    """Gives the lines that Django writes about a request `log_format.REQUEST_FIELDS`: those of refusals and of errors.

    It asks the database nothing: the account is told if the request had found it before.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            match = request.resolver_match
            record.account = user_id_of(request) or None
            record.address = address_of(request) or None
            record.method = request.method
            record.view = (match.view_name or match._func_path) if match else None
        return True
