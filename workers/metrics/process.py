"""Metrics of the process that answers. They begin anew when it starts."""

import sys
from collections.abc import Iterator

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import Metric

from workers.metrics import catalogue
from workers.wire import unpublished

_official = (ProcessCollector(registry=None), PlatformCollector(registry=None))


def metrics() -> Iterator[Metric]:
    """Yield those of every process, and the official ones: processor time, memory, open files, version of Python."""
    yield catalogue.PUBLISH_FAILURES.of([(unpublished.count(),)])
    for collector in _official:
        yield from collector.collect()


def web() -> Iterator[Metric]:
    """Yield those of a web process. Without the API, which needs Django REST framework, there are no streams."""
    if streams := sys.modules.get("apps.tasks.api.streams"):
        yield catalogue.EVENT_STREAMS.of([(streams.count(),)])


def relay() -> Iterator[Metric]:
    """Yield those of a relay."""
    from workers.relay import passes

    yield catalogue.RELAY_PASSES.of(passes.items())
