"""The workers' app. It comes last in `INSTALLED_APPS`: the apps before it are ready when it imports their tasks."""

import uuid
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

import dramatiq
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import module_has_submodule
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware
from dramatiq.results import Results

from apps.tasks import states
from apps.tasks.conf import conf
from apps.tasks.errors import TaskError
from apps.tasks.results import RowBackend
from apps.tasks.signals import cancel_requested, ended_by_ledger, pauses_changed
from workers import checks
from workers.checks import declarations as declarations
from workers.checks import servers as servers
from workers.wire.message import from_row

#: Modules whose actors are not declared. This one cleans a table that stays empty.
IGNORED_MODULES = ("django_dramatiq.tasks",)


def _call(sender: object, *, worker_ids: Iterable[uuid.UUID], **kwargs: object) -> None:
    """Let worker processes look for the requests that were just committed."""
    broker: Any = dramatiq.get_broker()
    broker.wire.call(map(str, worker_ids))


def _call_all(sender: object, **kwargs: object) -> None:
    """Let all worker processes look for the pauses that were just committed."""
    from apps.tasks import presence  # Not at the top: it imports models.

    workers = [process for process in presence.living() if process.kind == process.KIND_WORKER]
    _call(sender, worker_ids=[worker.pk for worker in workers])


def tell_middleware(sender: object, *, task_ids: list[str], move: states.Move, **kwargs: object) -> None:
    broker: Any = dramatiq.get_broker()
    broker.emit_after("ledger_end", task_ids, move)
    if _hears_of_nacks(broker):
        _nack(broker, task_ids)


def _nack(broker: Any, task_ids: list[str]) -> None:
    """Call the hooks of a message that failed, as for one that Dramatiq moves to its dead letters."""
    from apps.tasks.models import TaskStatus  # Not at the top: they are not loaded yet.

    for row in TaskStatus.objects.filter(task_id__in=task_ids).iterator():
        message = MessageProxy(from_row(row))
        message.stuff_exception(TaskError(row.error_message or "It was cancelled."))
        message.fail()
        broker.emit_after("nack", message)


def _hears_of_nacks(broker: Any) -> bool:
    """Return whether a middleware counts or keeps failures. Dramatiq's results need not, if they are the rows."""
    return any(
        type(middleware).after_nack is not Middleware.after_nack
        for middleware in broker.middleware
        if not (isinstance(middleware, Results) and isinstance(middleware.backend, RowBackend))
    )


def _follow_eager(sender: object, *, setting: str, **kwargs: object) -> None:
    if setting == "TASK_EAGER":
        from workers.testing import eager

        eager.follow_setting()


def _redis_error() -> BaseException | None:
    from workers.health import redis_error  # Not at the top: it has views, which only web processes need.

    return redis_error()


class WorkersConfig(AppConfig):
    name = "workers"
    label = "workers"
    verbose_name = "Workers"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        """Look at the broker before any actor is declared: the wrong one would refuse or lose it.

        Raises:
          ImproperlyConfigured: It is not ours, or its middleware cannot track tasks. Or a setting is wrong.
        """
        super().__init__(app_name, app_module)
        found = [*checks.check_broker(), *checks.check_numbers()]
        wrong = [str(message) for message in found if not message.is_silenced()]
        if wrong:
            raise ImproperlyConfigured("\n".join(wrong))
        # A wrong value must not wait for the first request, or for the first alert.
        _ = conf.METRICS_NETWORKS, conf.TASK_ALERT_NETWORKS, conf.TASK_ALERT_EMAILS

    def ready(self) -> None:
        """Import every app's `tasks.py`, so that each process type knows the same actors. Carry news to the workers."""
        # Not at the top: they import models.
        from apps.tasks.health import servers
        from workers import alerts

        servers["Redis"] = _redis_error
        alerts.register()
        cancel_requested.connect(_call, dispatch_uid="workers")
        pauses_changed.connect(_call_all, dispatch_uid="workers")
        ignored = {*IGNORED_MODULES, *getattr(settings, "DRAMATIQ_IGNORED_MODULES", ())}
        for config in apps.get_app_configs():
            path = f"{config.name}.tasks"
            if config.module and path not in ignored and module_has_submodule(config.module, "tasks"):
                import_module(path)
        broker: Any = dramatiq.get_broker()
        if any(hasattr(one, "after_ledger_end") for one in broker.middleware) or _hears_of_nacks(broker):
            ended_by_ledger.connect(tell_middleware, dispatch_uid="workers")
        setting_changed.connect(_follow_eager, dispatch_uid="workers.testing")
        if conf.TASK_EAGER:
            _follow_eager(None, setting="TASK_EAGER")
