"""Projects through the API."""

import json
from typing import Any

import pytest
from django.urls import reverse

from apps.projects.models import Project
from apps.tasks.models import TaskStatus
from tests.clients import Writer, writer

pytestmark = pytest.mark.django_db


def test_a_project_is_created_for_the_user_who_sends_it(jane: Writer) -> None:
    response = jane.post("/api/projects/", {"name": "Persuasion", "owner": 12345})

    assert response.status_code == 201
    made = Project.objects.get()
    assert (made.owner, made.name) == (jane.user, "Persuasion")
    assert response.json().keys() == {"id", "name", "created_at", "updated_at"}
    assert response.json()["id"] == made.pk


@pytest.mark.parametrize(
    "name", ["", "   ", None, "x" * 201, "nul\x00", "half \ud83d", ["Emma"], {"a": 1}, True], ids=repr
)
def test_an_invalid_name_is_refused(jane: Writer, name: Any) -> None:
    # In ASCII: JSON can escape half a surrogate pair, UTF-8 cannot encode it.
    response = jane.post("/api/projects/", json.dumps({"name": name}), content_type="application/json")

    assert response.status_code == 400
    assert response.json()["name"]
    assert not Project.objects.exists()


def test_a_project_can_be_renamed_and_nothing_else(jane: Writer, project: Project) -> None:
    response = jane.patch(f"/api/projects/{project.pk}/", {"name": "Emma, again", "owner": 12345, "id": 12345})

    assert response.status_code == 200
    assert Project.objects.values_list("pk", "owner", "name").get() == (project.pk, jane.user.pk, "Emma, again")


def test_a_project_can_be_deleted(jane: Writer, project: Project) -> None:
    assert jane.delete(f"/api/projects/{project.pk}/").status_code == 204
    assert not Project.objects.exists()
    assert jane.delete(f"/api/projects/{project.pk}/").status_code == 404


def test_the_list_has_ones_own_projects_with_the_newest_first(jane: Writer) -> None:
    for name in ("first", "second", "third"):
        Project.objects.create(owner=jane.user, name=name)
    Project.objects.create(owner=writer("emily").user, name="Wuthering Heights")

    answer = jane.get("/api/projects/").json()

    assert answer["count"] == 3
    assert [project["name"] for project in answer["results"]] == ["third", "second", "first"]


def test_a_page_has_fifty_and_at_most_two_hundred(jane: Writer) -> None:
    Project.objects.bulk_create(Project(owner=jane.user, name=str(number)) for number in range(201))

    assert len(jane.get("/api/projects/").json()["results"]) == 50
    assert len(jane.get("/api/projects/?page_size=7").json()["results"]) == 7
    assert len(jane.get("/api/projects/?page_size=1000").json()["results"]) == 200
    assert len(jane.get("/api/projects/?page_size=none").json()["results"]) == 50
    assert len(jane.get("/api/projects/?page=5").json()["results"]) == 1
    assert jane.get("/api/projects/?page=6").status_code == 404
    assert jane.get("/api/projects/?page=99999999999999999999999").status_code == 404


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("is_staff", [False, True])
def test_the_project_of_another_user_does_not_exist(
    jane: Writer, project: Project, method: str, is_staff: bool
) -> None:
    emily = writer("emily", is_staff=is_staff)

    theirs = getattr(emily, method)(f"/api/projects/{project.pk}/", {"name": "Taken"})
    missing = getattr(emily, method)(f"/api/projects/{project.pk + 1}/", {"name": "Taken"})

    assert theirs.status_code == missing.status_code == 404
    assert theirs.json() == missing.json()
    assert emily.get("/api/projects/").json()["results"] == []
    assert Project.objects.get().name == "Novels"


def test_a_report_is_started(jane: Writer, project: Project) -> None:
    response = jane.post(f"/api/projects/{project.pk}/report/")

    assert response.status_code == 202
    task = TaskStatus.objects.get()
    assert response.json() == {
        "status": "Project report started",
        "task_id": task.task_id,
        "task_url": "http://testserver" + reverse("task-detail", args=[task.task_id]),
    }
    assert (task.task_name, task.owner) == ("projects.generate_project_report", jane.user)
    assert (task.related_object_type, task.related_object_id) == ("projects.Project", project.pk)
    assert jane.get(response.json()["task_url"]).json()["status"] == "pending"


def test_a_second_request_gets_the_unfinished_report_task(jane: Writer, project: Project) -> None:
    first = jane.post(f"/api/projects/{project.pk}/report/")
    second = jane.post(f"/api/projects/{project.pk}/report/")

    assert (second.status_code, second.json()) == (202, first.json())
    assert TaskStatus.objects.count() == 1


def test_another_user_cannot_start_a_report(jane: Writer, project: Project) -> None:
    assert writer("emily").post(f"/api/projects/{project.pk}/report/").status_code == 404
    assert not TaskStatus.objects.exists()


@pytest.mark.parametrize(
    "pk",
    ["99999999999999999999999", "-1", "abc", "1.5", "%00", "9" * 5000, "٣٣٣٣", "1;DROP TABLE"],
    ids=lambda pk: pk[:30],
)
@pytest.mark.parametrize("suffix", ["", "report/"])
def test_an_invalid_id_is_not_found(jane: Writer, pk: str, suffix: str) -> None:
    response = jane.post(f"/api/projects/{pk}/{suffix}") if suffix else jane.get(f"/api/projects/{pk}/")

    assert response.status_code == 404
    assert response.json().keys() == {"detail"}
