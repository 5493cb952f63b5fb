from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from apps.accounts.models import User
from apps.documents.services.document_service import DocumentService
from apps.projects import tasks
from apps.projects.errors import UnknownReportTypeError
from apps.projects.models import Project, Report
from apps.projects.services.report_service import ReportService
from apps.tasks.models import TaskStatus
from tests.commands import RunningCommand

# A worker in the test's own process.


@pytest.fixture
def owners(db: None) -> list[User]:
    """Three owners of a project each."""
    found = [User.objects.create_user(name, email=f"{name}@example.com") for name in ("anne", "charlotte", "emily")]
    for owner in found:
        Project.objects.create(owner=owner, name=f"{owner.username}'s novel")
    return found


def test_the_actors_are_declared_as_the_guidelines_say() -> None:
    assert tasks.generate_project_report.actor_name == "projects.generate_project_report"
    assert tasks.generate_project_report.options["related_to"] == "projects.Project"
    weekly = tasks.send_weekly_report
    assert (weekly.actor_name, weekly.queue_name) == ("projects.send_weekly_report", "default")
    assert weekly.options["periodic"].parsed_from == "0 8 * * 1"
    assert weekly.options["periodic_kwargs"] == {"report_type": "summary"}


def test_a_report_is_returned_as_small_json(owners: list[User]) -> None:
    project = Project.objects.get(owner=owners[0])
    assert tasks.generate_project_report(project.pk) == {
        "project_id": project.pk,
        "report_id": project.reports.get().pk,
        "documents": 0,
        "processed": 0,
        "words": 0,
        "chapters": 0,
        "reading_minutes": 0.0,
    }


def test_a_project_that_is_gone_is_a_note_and_no_failure(db: None) -> None:
    assert tasks.generate_project_report(7) == {"note": "Project 7 no longer exists."}


def test_the_weekly_report_is_a_task_for_each_owner(owners: list[User]) -> None:
    assert tasks.send_weekly_report() == {"report_type": "summary", "owners": 3}
    rows = TaskStatus.objects.order_by("pk").values_list("task_name", "args", "owner_id", "related_object_type")
    assert list(rows) == [
        ("projects.send_report_to_owner", [owner.pk, "summary"], owner.pk, "accounts.User") for owner in owners
    ]
    assert mail.outbox == []


def test_an_unknown_report_is_refused_before_anything_is_sent(owners: list[User]) -> None:
    with pytest.raises(UnknownReportTypeError, match="must be one of: summary"):
        tasks.send_weekly_report("sumary")
    assert not TaskStatus.objects.exists()


def test_an_owner_that_is_gone_is_a_note_and_no_failure(db: None) -> None:
    assert tasks.send_report_to_owner(7, "summary") == {
        "mailed": False,
        "note": "User 7 has no project, no address, or is gone.",
    }


# --- With a worker -------------------------------------------------------------------------------


@pytest.mark.usefixtures("working")
def test_a_worker_makes_the_report_and_reports_progress(owners: list[User], wait_until: Callable[..., Any]) -> None:
    project = Project.objects.get(owner=owners[0])
    task_id = ReportService.start(project, owner_id=owners[0].pk)
    rows = TaskStatus.objects.filter(task_id=task_id)
    wait_until(lambda: rows.finished().exists(), explain=lambda: list(rows.values()))
    row, report = rows.get(), project.reports.get()
    assert (row.status, row.progress, row.progress_text, row.error_message) == ("completed", 100, "Done", "")
    assert row.result is not None
    assert (row.result["report_id"], report.task_id) == (report.pk, task_id)


@pytest.mark.usefixtures("working")
def test_several_reports_are_made_at_once(owners: list[User], wait_until: Callable[..., Any]) -> None:
    projects = [Project.objects.create(owner=owners[0], name=f"Novels {number}") for number in range(8)]
    for project in projects:
        DocumentService.process_document(DocumentService.create(project=project, title="小説", text="One. Two."))
        ReportService.start(project, owner_id=None)
    rows = TaskStatus.objects.filter(task_name="projects.generate_project_report")
    wait_until(lambda: rows.finished().count() == 8, explain=lambda: list(rows.values()))
    assert set(rows.values_list("status", flat=True)) == {"completed"}
    assert {report.project_id for report in Report.objects.all()} == {project.pk for project in projects}


@pytest.mark.processes
def test_a_report_of_a_worker_elsewhere_is_to_be_had_from_the_web(
    owners: list[User],
    worker: Callable[..., RunningCommand],
    wait_until: Callable[..., Any],
    tmp_path: Path,
    client: Client,
) -> None:
    project = Project.objects.get(owner=owners[0])
    worker(AIWRITING_VAR=str(tmp_path / "elsewhere"))
    task_id = ReportService.start(project, owner_id=None)
    rows = TaskStatus.objects.filter(task_id=task_id)
    wait_until(lambda: rows.finished().exists(), explain=lambda: list(rows.values()))
    assert rows.get().status == "completed"
    client.force_login(owners[0])
    assert client.get(f"/projects/{project.pk}/report.pdf").content.startswith(b"%PDF-")
    assert b"anne&#x27;s novel" in client.get(f"/projects/{project.pk}/report.html").content
