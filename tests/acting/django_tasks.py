"""Tasks of Django's Tasks API, as a third-party app declares them."""

import sys
from typing import Any

from django_tasks import task

from apps.tasks import progress


@task
def add(first: int, second: int = 1) -> int:
    return first + second


@task()
async def add_later(first: int, second: int) -> int:
    return first + second


@task
def give(value: Any) -> Any:
    return value


@task
def give_no_json() -> Any:
    return object()


@task
def fail(text: str) -> None:
    raise ValueError(text)


@task
def leave(text: str) -> None:
    sys.exit(text)


@task
def not_there() -> None:
    from tests.acting.models import Effect

    Effect.objects.get(nonce="not there")


@task(max_retries=2, min_backoff=1, max_backoff=2)
def fail_often() -> None:
    raise KeyError("again")


@task(takes_context=True, max_retries=2, min_backoff=1, max_backoff=2)
def succeed_at(context: Any, attempt: int) -> list[Any]:
    progress.set(50, "Half")
    if context.attempt < attempt:
        raise LookupError("too early")
    return [context.attempt, context.task_result.id, len(context.task_result.errors)]


@task(priority=7, queue_name="documents")
def urgent() -> None:
    pass


@task(unique=True)
def only_once(key: str) -> None:
    pass
