"""A port that answers 200 while the worker processes work, and 503 while they do not."""

import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from workers.liveness.probe import Verdict

#: Seconds that a client may take for its request.
REQUEST_SECONDS = 5.0


class Handler(BaseHTTPRequestHandler):
    """Answers every path alike. The answer names processes by their pids, and has no hosts and no texts of errors."""

    timeout = REQUEST_SECONDS
    server: "ProbePort"

    def do_GET(self) -> None:
        verdict = self.server.verdict
        answer = {
            "status": "alive" if verdict.is_alive else "failing",
            "failures": verdict.failures,
            "waits_for": verdict.waits_for,
        }
        body = json.dumps(answer).encode()
        self.send_response(HTTPStatus.OK if verdict.is_alive else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Type", "application/json")
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
        return "probe"


class ProbePort(ThreadingHTTPServer):
    """The server of one supervisor, on all addresses of the host: the platform asks from outside.

    Raises:
      OSError: The port cannot be used.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("", port), Handler, bind_and_activate=False)
        self.verdict = Verdict()
        self.socket.close()
        if socket.has_dualstack_ipv6():
            self.socket = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        else:
            self.socket = socket.create_server(("", port))
        self.server_address = self.socket.getsockname()
        threading.Thread(target=self.serve_forever, name="probe port", daemon=True).start()

    def show(self, verdict: Verdict) -> None:
        """Answer with the verdict from now on."""
        self.verdict = verdict

    def close(self) -> None:
        """Answer no more."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that went away in the middle of its answer."""
