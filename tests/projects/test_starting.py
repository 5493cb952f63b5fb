"""Starts of tasks for users: one unfinished task about an object, within the user's quotas."""

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from django.db import connection, transaction
from dramatiq.errors import ActorNotFound

from apps.projects.models import Project
from apps.projects.services.starting import start_for
from apps.tasks.models import TaskStatus
from tests.at_once import at_once

pytestmark = [pytest.mark.django_db]

REPORT = "projects.generate_project_report"


def test_a_start_sends_a_task_about_the_object(project: Project) -> None:
    task_id = start_for(project, REPORT, owner_id=project.owner_id)
    task = TaskStatus.objects.get()
    assert (task.task_id, task.task_name, task.args) == (task_id, REPORT, [project.pk])
    assert task.owner_id == project.owner_id
    assert list(TaskStatus.objects.about(project)) == [task]


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_an_unfinished_task_is_found(project: Project, status: str) -> None:
    task_id = start_for(project, REPORT, owner_id=None)
    TaskStatus.objects.update(status=status)
    assert start_for(project, REPORT, owner_id=project.owner_id) == task_id
    assert TaskStatus.objects.count() == 1


def test_an_unfinished_task_is_found_though_its_actor_takes_no_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dramatiq.get_broker().get_actor(REPORT).options, "max_waiting", 1)
    task_id = start_for(project, REPORT, owner_id=project.owner_id)
    assert start_for(project, REPORT, owner_id=project.owner_id) == task_id


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_ended_task_is_followed_by_a_new_one(project: Project, status: str) -> None:
    task_id = start_for(project, REPORT, owner_id=None)
    TaskStatus.objects.update(status=status)
    assert start_for(project, REPORT, owner_id=None) != task_id


def test_what_follows_the_send_runs_only_when_a_task_is_sent(project: Project) -> None:
    calls: list[int] = []
    for _ in range(2):
        start_for(project, REPORT, owner_id=None, and_then=lambda: calls.append(1))
    assert calls == [1]


def test_an_error_after_the_send_takes_it_back(project: Project) -> None:
    def fail() -> None:
        Project.objects.update(name="half")
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        start_for(project, REPORT, owner_id=None, and_then=fail)
    assert not TaskStatus.objects.exists()
    assert Project.objects.get().name == project.name


def test_a_deleted_object_raises_the_error_of_its_model(project: Project) -> None:
    Project.objects.all().delete()
    with pytest.raises(Project.DoesNotExist):
        start_for(project, REPORT, owner_id=None)
    assert not TaskStatus.objects.exists()


def test_an_unknown_actor_is_refused(project: Project) -> None:
    with pytest.raises(ActorNotFound):
        start_for(project, "projects.nothing", owner_id=None)


@pytest.mark.django_db(transaction=True)
def test_a_second_transaction_waits_and_finds_the_task_of_the_first(redis_client: object, project: Project) -> None:
    results: list[str] = []
    done = threading.Event()

    def start() -> None:
        try:
            results.append(start_for(project, REPORT, owner_id=project.owner_id))
        finally:
            connection.close()
            done.set()

    second = threading.Thread(target=start)
    with transaction.atomic():
        first = start_for(project, REPORT, owner_id=project.owner_id)
        second.start()
        assert not done.wait(timeout=0.3)
    second.join(timeout=60)
    assert results == [first]


@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_one_sends(redis_client: object, project: Project) -> None:
    results = at_once(lambda _number: start_for(project, REPORT, owner_id=project.owner_id), times=6)
    assert results == [TaskStatus.objects.get().task_id] * 6


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_it_and_the_next_start_sends_again(
    project: Project, working: object, wait_until: Callable[..., Any]
) -> None:
    task_id = start_for(project, REPORT, owner_id=None)
    wait_until(lambda: TaskStatus.objects.finished().filter(task_id=task_id).exists())
    assert TaskStatus.objects.get().status == "completed"
    assert start_for(project, REPORT, owner_id=None) != task_id
