"""System checks of the deployment."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_https(**kwargs: Any) -> list[CheckMessage]:
    """aiwriting.W001: A public site is reached over HTTPS alone (with `--deploy`)."""
    if settings.HTTPS:
        return []
    return [
        Warning(
            "HTTPS is off: passwords and cookies travel in clear text.",
            hint="Set ALLOWED_HOSTS to the names of the site, which turns HTTPS on, or HTTPS to yes.",
            id="aiwriting.W001",
        )
    ]
