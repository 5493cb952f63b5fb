"""A small HTTP server on a port of its own, for platforms and for Prometheus."""

import os
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Seconds that a client may take for its request.
REQUEST_SECONDS = 5.0


def bound(port: int) -> socket.socket:
    """Return a socket that listens on the port, on all addresses of the host.

    Raises:
      OSError: The port cannot be used.
    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with `answer`."""

    timeout = REQUEST_SECONDS

    def answer(self) -> tuple[HTTPStatus, dict[str, str], bytes]:
        """Return status, headers and body."""
        raise NotImplementedError

    def do_GET(self) -> None:
        status, headers, body = self.answer()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a platform asks every few seconds."""

    def version_string(self) -> str:
        return "workers"


class Port(ThreadingHTTPServer):
    """A server on all addresses of the host: platforms and Prometheus ask from outside.

    Parameters:
      name: Name of its thread.

    Raises:
      OSError: The port cannot be used.
    """

    daemon_threads = True

    def __init__(self, port: int, handler: type[Handler], *, name: str) -> None:
        super().__init__(("", port), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound(port)
        self.server_address = self.socket.getsockname()
        # A process that a task forks must not hold the port when this one is gone.
        os.register_at_fork(after_in_child=self.socket.close)
        threading.Thread(target=self.serve_forever, name=name, daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that went away in the middle of its answer."""
