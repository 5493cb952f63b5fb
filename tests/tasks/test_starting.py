"""Tasks that are started at most once at a time for an object."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from django.db import connection, transaction
from dramatiq.errors import ActorNotFound

from apps.tasks.errors import NotRelatedError
from apps.tasks.models import TaskStatus
from apps.tasks.starting import start_once
from tests.acting.models import Effect

ACTOR = "acting.touch"


@pytest.fixture
def touch() -> Iterator[dramatiq.Actor[Any, Any]]:
    """An actor that works on an effect."""

    @dramatiq.actor(actor_name=ACTOR, related_to="acting.Effect", max_retries=0)
    def touch(effect_id: int) -> int:
        return Effect.objects.filter(pk=effect_id).update(nonce="touched")

    yield touch
    del touch.broker.actors[ACTOR]


@pytest.fixture
def effect(touch: object, db: None) -> Effect:
    return Effect.objects.create(nonce="new", task_id="none", attempt=0, pid=1)


def in_a_thread(call: Callable[[], str], results: list[str], done: threading.Event) -> threading.Thread:
    """Start a thread with a connection of its own that adds the call's result to the list."""

    def run() -> None:
        try:
            results.append(call())
        finally:
            connection.close()
            done.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_start_sends_a_task_about_the_object(effect: Effect, admin_user: Any) -> None:
    task_id = start_once(effect, ACTOR, owner_id=admin_user.pk)
    task = TaskStatus.objects.get()
    assert (task.task_id, task.task_name, task.args, task.owner_id) == (task_id, ACTOR, [effect.pk], admin_user.pk)
    assert list(TaskStatus.objects.about(effect)) == [task]


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_an_unfinished_task_is_found(effect: Effect, status: str) -> None:
    task_id = start_once(effect, ACTOR)
    TaskStatus.objects.update(status=status)
    assert start_once(effect, ACTOR) == task_id
    assert TaskStatus.objects.count() == 1


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_ended_task_is_followed_by_a_new_one(effect: Effect, status: str) -> None:
    task_id = start_once(effect, ACTOR)
    TaskStatus.objects.update(status=status)
    assert start_once(effect, ACTOR) != task_id


def test_tasks_of_other_objects_and_other_actors_do_not_count(effect: Effect) -> None:
    other = Effect.objects.create(nonce="other", task_id="none", attempt=0, pid=1)
    TaskStatus.objects.filter(task_id=start_once(effect, ACTOR)).update(task_name="acting.other")
    start_once(other, ACTOR)
    start_once(effect, ACTOR)
    assert TaskStatus.objects.count() == 3


def test_before_send_runs_only_when_a_task_is_sent(effect: Effect) -> None:
    calls: list[int] = []
    for _ in range(2):
        start_once(effect, ACTOR, before_send=lambda: calls.append(TaskStatus.objects.count()))
    assert calls == [0]


def test_a_failing_before_send_leaves_no_task(effect: Effect) -> None:
    def fail() -> None:
        Effect.objects.update(nonce="half")
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        start_once(effect, ACTOR, before_send=fail)
    assert not TaskStatus.objects.exists()
    assert Effect.objects.get().nonce == "new"


def test_a_start_that_is_rolled_back_leaves_nothing(effect: Effect) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        start_once(effect, ACTOR)
        raise RuntimeError
    assert not TaskStatus.objects.exists()


def test_a_deleted_object_raises_the_error_of_its_model(effect: Effect) -> None:
    Effect.objects.all().delete()
    with pytest.raises(Effect.DoesNotExist):
        start_once(effect, ACTOR)
    assert not TaskStatus.objects.exists()


def test_an_actor_of_another_model_is_refused(effect: Effect, admin_user: Any) -> None:
    with pytest.raises(NotRelatedError, match=f"to 'acting.Effect', must be related to '{admin_user._meta.label}'"):
        start_once(admin_user, ACTOR)
    with pytest.raises(NotRelatedError, match=r"'acting\.say' is related to None"):
        start_once(effect, "acting.say")
    assert not TaskStatus.objects.exists()


def test_an_unknown_actor_is_refused(effect: Effect) -> None:
    with pytest.raises(ActorNotFound):
        start_once(effect, "acting.nothing")


@pytest.mark.django_db(transaction=True)
def test_a_second_transaction_waits_and_finds_the_task_of_the_first(redis_client: object, effect: Effect) -> None:
    results: list[str] = []
    done = threading.Event()
    with transaction.atomic():
        first = start_once(effect, ACTOR)
        second = in_a_thread(lambda: start_once(effect, ACTOR), results, done)
        assert not done.wait(timeout=0.3)
    second.join(timeout=60)
    assert results == [first]
    assert TaskStatus.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_second_transaction_sends_if_the_first_is_rolled_back(redis_client: object, effect: Effect) -> None:
    results: list[str] = []
    done = threading.Event()
    with pytest.raises(RuntimeError), transaction.atomic():
        first = start_once(effect, ACTOR)
        second = in_a_thread(lambda: start_once(effect, ACTOR), results, done)
        assert not done.wait(timeout=0.3)
        raise RuntimeError
    second.join(timeout=60)
    assert results == [TaskStatus.objects.get().task_id]
    assert results != [first]


@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_one_sends(redis_client: object, effect: Effect) -> None:
    barrier = threading.Barrier(6)

    def start() -> str:
        barrier.wait(timeout=60)
        return start_once(Effect.objects.get(pk=effect.pk), ACTOR)

    results: list[str] = []
    threads = [in_a_thread(start, results, threading.Event()) for _ in range(6)]
    for thread in threads:
        thread.join(timeout=60)
    assert results == [TaskStatus.objects.get().task_id] * 6


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_it_and_the_next_start_sends_again(
    effect: Effect, working: object, wait_until: Callable[..., Any]
) -> None:
    task_id = start_once(effect, ACTOR)
    wait_until(lambda: TaskStatus.objects.finished().filter(task_id=task_id).exists())
    task = TaskStatus.objects.get()
    assert (task.status, task.result, task.error_message) == ("completed", 1, "")
    assert Effect.objects.get().nonce == "touched"
    assert start_once(effect, ACTOR) != task_id
