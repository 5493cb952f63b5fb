"""Record where and when a session was used last, and end one that was not used for long."""

import logging
import time
from collections import OrderedDict
from threading import Lock

from django.contrib.auth import SESSION_KEY
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from apps.accounts.sessions import registry

logger = logging.getLogger(__name__)

#: Seconds between two records of a session by one process.
SEEN_SECONDS = 300
#: Sessions that a process remembers to have recorded.
REMEMBERED = 10_000

#: Key of a session, and address of the client.
Place = tuple[str, str]


class BrowserSessionMiddleware(MiddlewareMixin):
    """Records the sessions of users, and ends idle ones. One that a process recorded lately costs no statement."""

    def __init__(self, get_response: "object") -> None:
        super().__init__(get_response)  # type: ignore[arg-type]
        self.recorded: OrderedDict[Place, float] = OrderedDict()
        self.lock = Lock()

    def process_request(self, request: HttpRequest) -> None:
        key = request.session.session_key
        if key and not self._is_recorded(_place(request, key)) and registry.is_idle(key):
            # Before anything asks whose it is.
            request.session.flush()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        session = getattr(request, "session", None)
        if session is None or not session.accessed or not session.session_key:
            return response
        user_id = session.get(SESSION_KEY)
        place = _place(request, session.session_key)
        if user_id is not None and self._is_due(place):
            try:
                registry.record(request, user_id=int(user_id))
            except DatabaseError as error:
                # The next request records it. Until then it is not shown, and not ended with the others.
                with self.lock:
                    self.recorded.pop(place, None)
                logger.warning("session not recorded error=%s", error)
        return response

    def _is_recorded(self, place: Place) -> bool:
        return time.monotonic() - self.recorded.get(place, -SEEN_SECONDS) < SEEN_SECONDS

    def _is_due(self, place: Place) -> bool:
        with self.lock:
            if self._is_recorded(place):
                return False
            self.recorded[place] = time.monotonic()
            self.recorded.move_to_end(place)
            while len(self.recorded) > REMEMBERED:
                self.recorded.popitem(last=False)
        return True


def _place(request: HttpRequest, key: str) -> Place:
    return key, request.META.get("REMOTE_ADDR", "")
