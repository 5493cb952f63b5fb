"""Whether this process lives, and whether it can do its work."""

import logging
from typing import Any

import dramatiq
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from apps.tasks import presence

logger = logging.getLogger(__name__)

#: How long the database may take to let us in. Longer, and what asks has given up.
CONNECT_TIMEOUT_SECONDS = 2
#: How a connection of each database is told so. SQLite's stock start-up would set a longer time of its own.
QUICK_OPTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    "sqlite": {"timeout": CONNECT_TIMEOUT_SECONDS, "init_command": ""},
}


@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """The process answers. Nothing else is asked: a database that is away is no reason to kill it."""
    return JsonResponse({"status": "alive"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """503 without the database. Without Redis or workers tasks are still taken in, and done later."""
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
    """Connect to the database anew, within the time; an open connection may lead nowhere for minutes."""
    probe = connection.copy()
    options = probe.settings_dict["OPTIONS"]
    probe.settings_dict["OPTIONS"] = {**options, **QUICK_OPTIONS[probe.vendor]}
    try:
        with probe.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        probe.close()
