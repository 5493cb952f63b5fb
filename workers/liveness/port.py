"""A port that answers 200 while the worker processes work, and 503 while they do not."""

import json
from http import HTTPStatus

from workers import port
from workers.liveness.probe import Verdict


class Handler(port.Handler):
    """Answers every path alike. The answer names processes by their pids, and has no hosts and no texts of errors."""

    server: "ProbePort"

    def answer(self) -> tuple[HTTPStatus, dict[str, str], bytes]:
        verdict = self.server.verdict
        answer = {
            "status": "alive" if verdict.is_alive else "failing",
            "failures": verdict.failures,
            "waits_for": verdict.waits_for,
        }
        status = HTTPStatus.OK if verdict.is_alive else HTTPStatus.SERVICE_UNAVAILABLE
        return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()


class ProbePort(port.Port):
    """The server of one supervisor.

    Raises:
      OSError: The port cannot be used.
    """

    def __init__(self, port: int) -> None:
        self.verdict = Verdict()
        super().__init__(port, Handler, name="probe port")

    def show(self, verdict: Verdict) -> None:
        """Answer with the verdict from now on."""
        self.verdict = verdict
