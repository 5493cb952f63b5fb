"""System checks of accounts."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_origin_of_links(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn of links in mails that lead to any host that a stranger names."""
    if "*" not in settings.ALLOWED_HOSTS or settings.PUBLIC_ORIGIN:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS takes any host, so a stranger can have links for new passwords lead to another site.",
            hint="Name the hosts in ALLOWED_HOSTS, or the site's own origin in PUBLIC_ORIGIN.",
            id="accounts.W001",
        )
    ]
