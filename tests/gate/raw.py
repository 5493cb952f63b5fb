"""An HTTP client that sends bytes as they are."""

import http.client
import socket
from dataclasses import dataclass

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Raw:
    """A connection.

    Parameters:
      connection: The socket, which is closed at the end.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(TIMEOUT_SECONDS)

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, *lines: str, body: bytes = b"") -> "Raw":
        """Send a request with these lines, in Latin-1. Without a Host one is added."""
        host = () if any(line.lower().startswith("host:") for line in lines) else ("Host: 127.0.0.1",)
        head = "\r\n".join((*lines[:1], *host, *lines[1:], "", ""))
        return self.send_bytes(head.encode("latin-1") + body)

    def send_bytes(self, data: bytes) -> "Raw":
        self.socket.sendall(data)
        return self

    def answer(self) -> Answer:
        """Return the next answer."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return Answer(response.status, response.headers, response.read())

    def status(self, *, method: str) -> int:
        """Return the status of the next answer. The body is not read, since an event stream may have no end."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response.status

    def is_closed(self) -> bool:
        """Return whether the other end closes the connection, after it sent what it may have to say."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True
