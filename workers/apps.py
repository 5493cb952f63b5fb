"""The workers' app. It comes last in `INSTALLED_APPS`: all models exist when it is ready."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.conf import settings
from django.utils.module_loading import module_has_submodule


class WorkersConfig(AppConfig):
    name = "workers"
    label = "workers"
    verbose_name = "Workers"

    def ready(self) -> None:
        """Import every app's `tasks.py`, so that each process type knows the same actors."""
        ignored = set(getattr(settings, "DRAMATIQ_IGNORED_MODULES", ()))
        for config in apps.get_app_configs():
            path = f"{config.name}.tasks"
            if config.module and path not in ignored and module_has_submodule(config.module, "tasks"):
                import_module(path)
        import_module("workers.checks")
