import threading
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from apps.core.models import User
from apps.documents.models import Document
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.projects.report_types import UnknownReportType
from apps.projects.services import report_service
from apps.projects.services.report_service import DocumentLine, ReportService, counted, duration
from apps.tasks.models import TaskStatus

TEXT = "Chapter 1\n\nIt began.\n\nChapter 2\n\nIt ended.\n"


@pytest.fixture
def project(db: None) -> Project:
    owner = User.objects.create_user("jane", email="jane@example.com")
    return Project.objects.create(owner=owner, name="Novels")


def processed(project: Project, title: str, text: str = TEXT) -> Document:
    document = DocumentService.create(project=project, title=title, text=text)
    DocumentService.process_document(document)
    return document


# --- The report ----------------------------------------------------------------------------------


def test_a_project_without_documents_has_an_honest_report(project: Project) -> None:
    report = ReportService.generate(project)
    assert (report.documents, report.processed, report.words, report.chapters, report.reading_minutes) == (0,) * 5
    assert report.text == "Novels\n0 documents, 0 processed\n0 words in 0 chapters, 0 min to read"


def test_a_report_sums_up_the_documents_and_has_a_line_for_each(project: Project) -> None:
    processed(project, "Emma", "word " * 2300)
    processed(project, "Persuasion")
    DocumentService.create(project=project, title="Sanditon", text=TEXT)
    report = ReportService.generate(project)
    assert (report.documents, report.processed, report.words, report.chapters) == (3, 2, 2308, 3)
    assert report.reading_minutes == 10.03
    assert report.text.splitlines() == [
        "Novels",
        "3 documents, 2 processed",
        "2,308 words in 3 chapters, 10 min to read",
        "",
        "- Emma: 2,300 words, 1 chapter, 10 min",
        "- Persuasion: 8 words, 2 chapters, 1 min",
        "- Sanditon: draft",
    ]


def test_documents_of_other_projects_are_not_in_the_report(project: Project) -> None:
    processed(Project.objects.create(owner=project.owner, name="Letters"), "To Cassandra")
    assert ReportService.generate(project).documents == 0


def test_a_long_report_names_the_first_documents_and_counts_all(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_service, "MAX_DOCUMENT_LINES", 2)
    for number in range(4):
        processed(project, f"Volume {number}")
    report = ReportService.generate(project)
    assert (report.documents, report.words) == (4, 32)
    assert report.text.splitlines()[4:] == [
        "- Volume 0: 8 words, 2 chapters, 1 min",
        "- Volume 1: 8 words, 2 chapters, 1 min",
        "- and 2 more",
    ]


def test_a_report_takes_the_same_few_queries_for_any_number_of_documents(
    project: Project, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        processed(project, str(number))
    with django_assert_num_queries(1):
        ReportService.generate(project)


def test_projects_work_without_documents(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_service, "_documents_of", report_service._no_documents)
    assert ReportService.generate(project).documents == 0


def test_any_app_can_tell_what_a_project_holds(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_service, "_documents_of", report_service._no_documents)
    line = DocumentLine(title="Poem", status="Processed", words=1, reading_minutes=0.01, chapters=1)
    report_service.register_documents_provider(lambda project_id: [line])
    assert ReportService.generate(project).text.endswith("- Poem: 1 word, 1 chapter, 1 min")


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "0 min"), (0.01, "1 min"), (59.4, "59 min"), (60, "1 h 0 min"), (529.9, "8 h 50 min")],
)
def test_reading_times_are_said_in_hours_and_minutes(minutes: float, text: str) -> None:
    assert duration(minutes) == text


def test_one_is_said_in_the_singular() -> None:
    assert (counted(1, "word"), counted(0, "word"), counted(1234, "word")) == ("1 word", "0 words", "1,234 words")


# --- Starting ------------------------------------------------------------------------------------


def test_starting_sends_one_task_about_the_project(project: Project) -> None:
    task_id = ReportService.start(project, owner_id=project.owner_id)
    task = TaskStatus.objects.get()
    assert (task.task_id, task.task_name) == (task_id, "projects.generate_project_report")
    assert (task.queue_name, task.args, task.owner_id) == ("default", [project.pk], project.owner_id)
    assert list(TaskStatus.objects.about(project)) == [task]


def test_a_report_that_is_on_its_way_is_not_asked_for_twice(project: Project) -> None:
    task_id = ReportService.start(project, owner_id=None)
    assert ReportService.start(project, owner_id=None) == task_id
    TaskStatus.objects.update(status="completed")
    assert ReportService.start(project, owner_id=None) != task_id


def test_a_project_that_was_deleted_gets_no_task(project: Project) -> None:
    Project.objects.all().delete()
    with pytest.raises(Project.DoesNotExist):
        ReportService.start(project, owner_id=None)
    assert not TaskStatus.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_one_sends_and_all_get_its_task(redis_client: Any, project: Project) -> None:
    barrier, results = threading.Barrier(6), []

    def start() -> None:
        try:
            barrier.wait(timeout=10)
            results.append(ReportService.start(project, owner_id=None))
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert results == [TaskStatus.objects.get().task_id] * 6


# --- The weekly mail -----------------------------------------------------------------------------


def test_owners_with_a_project_and_an_address_are_mailed(project: Project) -> None:
    Project.objects.create(owner=project.owner, name="Letters")
    User.objects.create_user("reader", email="reader@example.com")
    for number, fields in enumerate([{"email": ""}, {"email": "gone@example.com", "is_active": False}]):
        Project.objects.create(owner=User.objects.create_user(f"user{number}", **fields), name="A")
    assert ReportService.owners_to_mail() == [project.owner_id]


def test_an_owner_is_mailed_the_figures_of_all_their_projects(project: Project) -> None:
    processed(project, "Emma")
    Project.objects.create(owner=project.owner, name="Letters")
    assert ReportService.mail_owner(project.owner_id, report_type="summary")
    (message,) = mail.outbox
    assert message.to == ["jane@example.com"]
    assert message.subject == "Weekly summary: 2 projects, 8 words"
    letters, novels = message.body.split("-" * 40)
    assert letters.startswith("Letters\n0 documents")
    assert "- Emma: 8 words, 2 chapters, 1 min" in novels


def test_an_owner_without_an_address_a_project_or_a_life_is_not_mailed(project: Project) -> None:
    reader = User.objects.create_user("reader", email="reader@example.com")
    assert not ReportService.mail_owner(reader.pk, report_type="summary")
    User.objects.filter(pk=project.owner_id).update(email="")
    assert not ReportService.mail_owner(project.owner_id, report_type="summary")
    assert not ReportService.mail_owner(project.owner_id + 1000, report_type="summary")
    assert mail.outbox == []


def test_a_name_with_a_line_end_in_it_is_mailed(project: Project) -> None:
    Project.objects.update(name="Novels\nBcc: all@example.com")
    assert ReportService.mail_owner(project.owner_id, report_type="summary")
    assert mail.outbox[0].recipients() == ["jane@example.com"]


def test_an_unknown_report_is_refused_with_the_known_ones(project: Project) -> None:
    with pytest.raises(UnknownReportType, match="Unknown report_type 'sumary', must be one of: summary"):
        ReportService.mail_owner(project.owner_id, report_type="sumary")
    assert mail.outbox == []
