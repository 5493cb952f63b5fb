"""System checks of the deployment."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from aiWriting import plain_connections


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


@register(Tags.security, deploy=True)
def check_connections(**kwargs: Any) -> list[CheckMessage]:
    """aiwriting.W002: A connection to a host outside is encrypted (with `--deploy`)."""
    return [
        Warning(
            f"The connection to {host} is not encrypted for sure.",
            hint=f"Set {variable}, or accept it in SILENCED_SYSTEM_CHECKS if the network between is your own.",
            id="aiwriting.W002",
        )
        for host, variable in dict.fromkeys(plain_connections.found())
    ]
