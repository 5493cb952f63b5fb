"""Errors of the web and of tasks in Sentry: `SENTRY_DSN`."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from aiWriting.shown_address import without_values
from apps.tasks.log_context import fields

#: Middleware of the workers that goes with it.
MIDDLEWARE = "workers.middleware.sentry.Sentry"
#: Headers that an event may have. Others have secrets, such as `Referer`, which is the address of a link in an e-mail.
HEADERS = frozenset({"accept", "content-length", "content-type", "host", "user-agent", "x-request-id"})


def send_to(dsn: str) -> None:
    """Send errors of this process to Sentry, without values of variables, bodies, cookies and addresses of clients.

    Raises:
      ImproperlyConfigured: The SDK is not installed, or the DSN is none.
    """
    try:
        import sentry_sdk
        from sentry_sdk.integrations.django import DjangoIntegration
    except ImportError:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, and sentry-sdk is not installed: pip install -r requirements-sentry.txt"
        ) from None
    try:
        sentry_sdk.init(
            dsn,
            # Not by what is installed: that of Dramatiq sends arguments, and an event for each attempt.
            auto_enabling_integrations=False,
            integrations=[DjangoIntegration(middleware_spans=False, signals_spans=False)],
            include_local_variables=False,
            max_request_body_size="never",
            send_default_pii=False,
            auto_session_tracking=False,
            before_send=_clean,
        )
    except ValueError:  # Its errors may show a part of the key.
        raise ImproperlyConfigured(
            "SENTRY_DSN cannot be read, must be a DSN such as https://KEY@sentry.example.com/1"
        ) from None


def _clean(event: Any, hint: Any) -> Any:
    """Add task and request of the context. Drop what an address may tell."""
    tags = {name: value for name, value in fields().items() if value is not None}
    event["tags"] = tags | dict(event.get("tags") or {})
    for name in ("query_string", "cookies", "data", "env"):
        event.get("request", {}).pop(name, None)
    if request := event.get("request"):
        request["headers"] = {
            name: value for name, value in (request.get("headers") or {}).items() if name.lower() in HEADERS
        }
        request["url"] = without_values(request.get("url") or "")
    return event
