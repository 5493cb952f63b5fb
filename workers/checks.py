"""System checks: a mistake in a declaration is reported at boot, not when the task runs."""

import inspect
from typing import Any

import dramatiq
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connection
from dramatiq import Actor

from apps.tasks.errors import BadCronError
from apps.tasks.schedules import cron, declared


def actors() -> list[Actor[..., Any]]:
    """Return all declared actors, by name."""
    return [actor for _, actor in sorted(dramatiq.get_broker().actors.items())]


@register("tasks")
def check_names(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E001: An actor's name begins with the label of its app."""
    messages: list[CheckMessage] = []
    for actor in actors():
        config = apps.get_containing_app_config(actor.fn.__module__)
        if config is not None and not actor.actor_name.startswith(f"{config.label}."):
            messages.append(
                Error(
                    f"The actor {actor.actor_name!r} of {actor.fn.__module__} has no app prefix.",
                    hint=f"Declare it with actor_name={f'{config.label}.{actor.fn.__name__}'!r}.",
                    id="tasks.E001",
                )
            )
    return messages


@register("tasks")
def check_related(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E002: `related_to` names a model."""
    labels = {model._meta.label for model in apps.get_models()}
    return [
        Error(
            f"The actor {actor.actor_name!r} is related to {actor.options['related_to']!r}, which is no model.",
            hint=f"Must be one of: {', '.join(sorted(labels))}",
            id="tasks.E002",
        )
        for actor in actors()
        if actor.options.get("related_to") and actor.options["related_to"] not in labels
    ]


@register("tasks")
def check_schedules(**kwargs: Any) -> list[CheckMessage]:
    """tasks.E003: A periodic actor has a cron text and arguments that it can be called with."""
    messages: list[CheckMessage] = []
    for actor in actors():
        text = declared.cron_text(actor)
        if not text:
            continue
        try:
            cron.parse(text)
            inspect.signature(actor.fn).bind(**(actor.options.get("periodic_kwargs") or {}))
        except (BadCronError, TypeError) as error:
            messages.append(Error(f"The periodic actor {actor.actor_name!r} cannot fire: {error}", id="tasks.E003"))
    return messages


@register("tasks")
def check_transactional(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W001: On SQLite a transactional actor holds the only write lock while it runs."""
    if connection.vendor != "sqlite":
        return []
    return [
        Warning(
            f"The actor {actor.actor_name!r} is transactional, and SQLite has one writer at a time.",
            hint="Keep it short, or set DATABASE_URL to a PostgreSQL.",
            id="tasks.W001",
        )
        for actor in actors()
        if actor.options.get("transactional")
    ]


@register("tasks")
def check_databases(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W002: A send is atomic with the transactions of one database."""
    others = sorted(set(settings.DATABASES) - {"default"})
    if not others:
        return []
    return [
        Warning(
            f"A send inside a transaction of {', '.join(others)} is not atomic with it: tasks are rows of 'default'.",
            id="tasks.W002",
        )
    ]
