"""`/metrics` for Prometheus and `/scale` for autoscalers. Add both views to the project's URLs.

They are closed to all but requests with `METRICS_TOKEN` or from `METRICS_NETWORKS`.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from functools import wraps
from typing import Protocol

import dramatiq
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.metrics_core import Metric

from apps.tasks.conf import conf
from apps.tasks.errors import UnknownQueueError
from apps.tasks.metrics import scale as scales
from apps.tasks.metrics.look import METRICS, SCALE, Figures, look
from apps.tasks.queues import check_known
from workers import health
from workers.metrics import access, catalogue, exposition, ledger, process
from workers.wire.outage import Outage

logger = logging.getLogger(__name__)

#: Seconds that an answer waits for the database. Prometheus waits for 10 s by default.
DEADLINE_SECONDS = 5.0

LEDGER = health.Probe(lambda: look(METRICS))
WORK = health.Probe(lambda: look(SCALE))

_outages: defaultdict[str, Outage] = defaultdict(Outage)


class View(Protocol):
    def __call__(self, request: HttpRequest) -> HttpResponseBase: ...


def _for_monitoring(view: View) -> View:
    """Refuse strangers before anything else: with 401 if there is a token to send, else as if nothing was here."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        authorization, address = request.headers.get("Authorization", ""), request.META.get("REMOTE_ADDR", "")
        if access.is_allowed(authorization=authorization, address=address):
            return require_safe(view)(request)
        if not conf.METRICS_TOKEN:
            raise Http404
        return JsonResponse({"detail": access.NEEDS_TOKEN}, status=401, headers={"WWW-Authenticate": "Bearer"})

    return guarded


@never_cache
@_for_monitoring
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all figures that can be read now, in Prometheus's text format."""
    return HttpResponse(exposition.text(_metrics()), content_type=exposition.CONTENT_TYPE)


def _metrics() -> Iterator[Metric]:
    redis, found = health.REDIS.begin(), LEDGER.begin()
    figures, errors = Figures(), dict[str, Exception | None](database=None, redis=None)
    try:
        figures = found.result(DEADLINE_SECONDS)
        errors |= {name: figures.errors.get(name) for name in METRICS}
    except Exception as error:
        errors["database"] = error
    try:
        redis.result(health.DEADLINE_SECONDS)
    except Exception as error:
        errors["redis"] = error
    for source, reason in errors.items():
        _tell(source, reason)
    yield catalogue.SOURCE_UP.of((source, float(reason is None)) for source, reason in errors.items())
    yield from ledger.metrics(figures, queues=_queues())
    yield from process.metrics()
    yield from process.web()


@never_cache
@_for_monitoring
def scale(request: HttpRequest) -> JsonResponse:
    """Answer with the number of worker processes that the waiting work wants. 503: the rows cannot be read now."""
    known = _queues()
    queues = [name for name in request.GET.get("queues", "").split(",") if name] or None
    try:
        for name in queues or ():
            check_known(name, known)
    except UnknownQueueError as error:
        return JsonResponse({"detail": str(error)}, status=400)
    try:
        figures = WORK.begin().result(DEADLINE_SECONDS)
    except Exception as error:
        _tell("database", error)
        return _unavailable("The database does not answer.")
    if figures.paused is None or figures.backlog is None or figures.processes is None or figures.recent is None:
        return _unavailable(f"These cannot be read now: {', '.join(figures.errors)}.")
    found = scales.wanted(
        figures.backlog, figures.recent, figures.processes, known=known, queues=queues, paused=figures.paused
    )
    return JsonResponse(asdict(found))


def _unavailable(detail: str) -> JsonResponse:
    return JsonResponse({"detail": detail}, status=503)


def _queues() -> set[str]:
    return set(dramatiq.get_broker().get_declared_queues())


def _tell(source: str, error: Exception | None) -> None:
    """Log that a source cannot be read, once, and that it can be read again."""
    outage = _outages[source]
    if error is None:
        if outage.ends():
            logger.info("metrics are whole again source=%s", source)
    elif outage.begins(error):
        reason = " ".join(str(error).split()) or type(error).__name__
        logger.warning("metrics are left out source=%s error=%s", source, reason)
