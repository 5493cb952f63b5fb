"""A port on which a worker, relay or scheduler process shows its own metrics."""

from collections.abc import Callable, Iterable
from http import HTTPStatus

from prometheus_client.metrics_core import Metric

from workers import port
from workers.metrics import access, exposition


class Handler(port.Handler):
    """Answers every path alike."""

    server: "MetricsPort"

    def answer(self) -> tuple[HTTPStatus, dict[str, str], bytes]:
        if access.is_allowed(authorization=self.headers.get("Authorization", ""), address=str(self.client_address[0])):
            metrics = (metric for collect in self.server.collectors for metric in collect())
            return HTTPStatus.OK, {"Content-Type": exposition.CONTENT_TYPE}, exposition.text(metrics)
        return HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"}, access.NEEDS_TOKEN.encode()


class MetricsPort(port.Port):
    """The server of one process.

    Raises:
      OSError: The port cannot be used.
    """

    def __init__(self, port: int, *collectors: Callable[[], Iterable[Metric]]) -> None:
        self.collectors = collectors
        super().__init__(port, Handler, name="metrics port")
