"""Addresses to which the pages of figures lead."""

from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode


def tasks(**query: Any) -> str:
    """Return the address of the list of tasks with these filters."""
    found = reverse("admin:tasks_taskstatus_changelist")
    return f"{found}?{urlencode(query)}" if query else found


def retry_of(cause: str, *, span: str = "") -> str:
    """Return the address at which the failures of a cause are retried. One of another program may have none.

    Parameters:
      span: The name of a time of the page Failures. Empty: the last hour.
    """
    try:
        found = reverse("admin:tasks_cause_retry", args=[cause])
    except NoReverseMatch:
        return ""
    return f"{found}?{urlencode({'span': span})}" if span else found
