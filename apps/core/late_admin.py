"""The admin, whose modules are loaded where they are needed. Processes without pages start sooner and are smaller."""

from typing import Any

from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class LateAdminConfig(SimpleAdminConfig):
    """Django's admin. The URLconf calls `admin.autodiscover()`, and so do the checks."""

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_modules, checks.Tags.admin)


def check_modules(app_configs: Any, **kwargs: Any) -> list[Any]:
    """Check what the admin modules register."""
    autodiscover()
    return list(check_admin_app(app_configs, **kwargs))
