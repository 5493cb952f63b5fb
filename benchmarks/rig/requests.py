"""Requests to the site, as programs of its users send them."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Site:
    """The site as one user sees it.

    Parameters:
      token: API token of the user. Empty: a stranger.
    """

    port: int
    token: str = ""

    def ask(
        self, path: str, body: object = None, *, method: str | None = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Send a request. Return the status and the JSON of the answer.

        Parameters:
          body: Bytes, or an object that is sent as JSON. None: there is none.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with self.open(path, data, method=method, content_type=content_type) as answer:
                return answer.status, _loaded(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _loaded(error.read())

    def open(self, path: str, data: bytes | None = None, *, method: str | None = None, content_type: str = "") -> Any:
        """Send a request and return the answer, which is not read yet."""
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        if data is not None:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
