"""The limits of a user: those of the settings, or those that staff wrote for this user."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.accounts.quotas.model import Allowance

MEGABYTE = 1024**2

#: Django setting of each limit. `Allowance` has a column of the same name.
SETTINGS = {
    "stored_megabytes": "QUOTA_STORED_MEGABYTES",
    "documents": "QUOTA_DOCUMENTS",
    "projects": "QUOTA_PROJECTS",
    "uploads_a_minute": "QUOTA_UPLOADS_A_MINUTE",
    "tasks": "QUOTA_TASKS",
    "event_streams": "TASK_EVENT_STREAMS",
    "reports_an_hour": "QUOTA_REPORTS_AN_HOUR",
    "reports_kept": "QUOTA_REPORTS_KEPT",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one user. 0: no limit."""

    stored_megabytes: int
    documents: int
    projects: int
    uploads_a_minute: int
    tasks: int
    event_streams: int
    reports_an_hour: int
    reports_kept: int

    @property
    def stored_bytes(self) -> int:
        return self.stored_megabytes * MEGABYTE


def limits_of(user_id: Any) -> Limits:
    """Return the limits that hold for a user now."""
    allowed: dict[str, Any] = Allowance.objects.filter(user_id=user_id).values(*SETTINGS).first() or {}
    limits = {}
    for name, setting in SETTINGS.items():
        own = allowed.get(name)
        limits[name] = int(getattr(settings, setting)) if own is None else own
    return Limits(**limits)
