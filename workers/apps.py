"""The workers' app. It comes last in `INSTALLED_APPS`: the apps before it are ready when it imports their tasks."""

from importlib import import_module
from types import ModuleType

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

from workers import checks

#: Modules whose actors are not declared. This one cleans a table that stays empty.
IGNORED_MODULES = ("django_dramatiq.tasks",)


class WorkersConfig(AppConfig):
    name = "workers"
    label = "workers"
    verbose_name = "Workers"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        """Look at the broker before any actor is declared: the wrong one would refuse or lose it.

        Raises:
          ImproperlyConfigured: It is not ours, or its middleware cannot track tasks.
        """
        super().__init__(app_name, app_module)
        wrong = [str(message) for message in checks.check_broker() if not message.is_silenced()]
        if wrong:
            raise ImproperlyConfigured("\n".join(wrong))

    def ready(self) -> None:
        """Import every app's `tasks.py`, so that each process type knows the same actors."""
        ignored = {*IGNORED_MODULES, *getattr(settings, "DRAMATIQ_IGNORED_MODULES", ())}
        for config in apps.get_app_configs():
            path = f"{config.name}.tasks"
            if config.module and path not in ignored and module_has_submodule(config.module, "tasks"):
                import_module(path)
