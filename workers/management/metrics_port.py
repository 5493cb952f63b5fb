"""The option `--metrics-port` of the commands."""

import logging
from typing import Any

from django.core.management.base import CommandError

from workers.port import bound

logger = logging.getLogger(__name__)

MOST = 65_535


def check_port(port: int | None, *, children: int = 0) -> None:
    """Check that metrics can be shown on the port, and on one more for each child.

    A process without children does not try the port: a supervisor starts it again and again, whoever has the port.

    Raises:
      CommandError: They cannot, or the settings let no request in, or a package is missing.
    """
    if port is None:
        return
    if not 1 <= port <= MOST - children:
        raise CommandError(f"--metrics-port is {port}, must be 1 to {MOST - children}")
    try:
        from workers.metrics import access, process  # noqa: F401
    except ImportError as error:
        raise CommandError(f"--metrics-port needs the package prometheus-client: {error}") from None
    if not access.is_open():
        raise CommandError("--metrics-port shows nothing to anybody: set METRICS_TOKEN or METRICS_NETWORKS")
    for number in range(port, port + children + 1) if children else ():
        try:
            bound(number).close()
        except OSError as error:
            raise CommandError(f"--metrics-port {number} cannot be used: {error.strerror}") from None


def metrics_port(options: dict[str, Any], number: int = 0) -> list[str]:
    """Return the option of a child: the relay has the port, and the worker processes have the next ones."""
    port = options["metrics_port"]
    return [] if port is None else ["--metrics-port", str(port + number)]


def show_metrics(port: int | None, *, has_relay: bool = False) -> None:
    """Show the metrics of this process on the port, if there is one. A process without its port works all the same."""
    if port is None:
        return
    from workers.metrics import process
    from workers.metrics.port import MetricsPort

    collectors = (process.metrics, process.relay) if has_relay else (process.metrics,)
    try:
        MetricsPort(port, *collectors)
    except OSError as error:
        logger.error("metrics port cannot be used port=%d error=%s", port, error.strerror)
