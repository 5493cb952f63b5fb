"""Health checks: does this process live, and can it do its work?"""

import logging
from typing import Any

import dramatiq
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from apps.tasks import presence

logger = logging.getLogger(__name__)

#: Seconds for connecting to the database. A load balancer does not wait longer for its answer.
CONNECT_TIMEOUT_SECONDS = 2
#: Options of a connection that set this limit. SQLite's usual `init_command` would set a longer one.
QUICK_OPTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    "sqlite": {"timeout": CONNECT_TIMEOUT_SECONDS, "init_command": ""},
}


@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """Answer, and check nothing: an absent database is no reason to kill the process."""
    return JsonResponse({"status": "alive"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 503 without the database. Without Redis or workers, sends still succeed and tasks run later."""
    try:
        _ask_database()
        is_anybody_working = presence.is_anybody_working()
    except (DatabaseError, InterfaceError) as error:
        logger.error("not ready, the database does not answer error=%s", error)
        return JsonResponse({"status": "unavailable", "missing": ["database"]}, status=503)
    broker: Any = dramatiq.get_broker()
    states = {"redis": broker.wire.is_reachable(), "workers": is_anybody_working}
    return JsonResponse({"status": "ready", "degraded": [name for name, is_well in states.items() if not is_well]})


def _ask_database() -> None:
    """Connect to the database anew. An open connection to a dead host may seem alive for minutes."""
    probe = connection.copy()
    options = probe.settings_dict["OPTIONS"]
    probe.settings_dict["OPTIONS"] = {**options, **QUICK_OPTIONS[probe.vendor]}
    try:
        with probe.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        probe.close()
