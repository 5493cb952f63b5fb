"""Reports that are made, stored and kept."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import connection, transaction

from apps.core.models import StoredFile
from apps.documents.models import Analysis, Document
from apps.documents.services import project_documents
from apps.documents.services.document_service import DocumentService
from apps.projects import contents
from apps.projects.models import Project, Report
from apps.projects.reports import html, pdf
from apps.projects.reports.courses import READING_EASE
from apps.projects.services import report_service
from apps.projects.services.report_service import ReportService
from apps.tasks import progress
from apps.tasks.models import TaskStatus

TEXT = "Chapter 1\n\nIt began.\n\nChapter 2\n\nIt ended.\n"


@pytest.fixture
def directory(settings: Any, tmp_path: Path) -> Path:
    """Folder of reports in a storage on the disk, whose deletions no rollback undoes."""
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "reports": backend}
    # The fields keep the storage that they had at the start.
    storage = storages["reports"]
    for name in ("html", "pdf"):
        Report._meta.get_field(name).storage = storage  # type: ignore[union-attr]
    return tmp_path


@pytest.fixture(autouse=True)
def same_storage_afterwards() -> Any:
    fields: list[Any] = [Report._meta.get_field(name) for name in ("html", "pdf")]
    before = [field.storage for field in fields]
    yield
    for field, storage in zip(fields, before, strict=True):
        field.storage = storage


def processed(project: Project, title: str, text: str = TEXT) -> Document:
    document = DocumentService.create(project=project, title=title, text=text)
    DocumentService.process_document(document)
    return document


def files(directory: Path) -> list[str]:
    return sorted(path.suffix for path in directory.rglob("*.*"))


# --- Figures of documents --------------------------------------------------------------------------


def test_a_report_shows_the_documents_with_their_figures(project: Project) -> None:
    processed(project, "Emma", "word " * 2300)
    processed(project, "Persuasion")
    DocumentService.create(project=project, title="Sanditon", text=TEXT)
    _, figures = ReportService.generate(project)
    assert (figures.documents, figures.processed, figures.words, figures.chapters) == (3, 2, 2308, 3)
    assert figures.reading_minutes == 10.03
    assert [(line.title, line.words, line.status) for line in figures.lines] == [
        ("Emma", 2300, "Processed"),
        ("Persuasion", 8, "Processed"),
        ("Sanditon", None, "Draft"),
    ]


def test_the_error_of_a_document_is_in_the_report(project: Project) -> None:
    document = DocumentService.create(project=project, title="Scan", text=TEXT)
    Document.objects.filter(pk=document.pk).update(status="failed", error_message="There is no text in it.")
    _, figures = ReportService.generate(project)
    (line,) = figures.failures
    assert (line.title, line.error, figures.failed) == ("Scan", "There is no text in it.", 1)


def test_documents_of_other_projects_are_not_in_the_report(project: Project) -> None:
    processed(Project.objects.create(owner=project.owner, name="Letters"), "To Cassandra")
    assert ReportService.generate(project)[1].documents == 0


def test_the_documents_take_the_same_few_queries_whatever_their_number(
    project: Project, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        processed(project, str(number))
    with django_assert_num_queries(2):
        lines = list(project_documents.documents_of(project.pk))
        assert (len(lines), project_documents.count_of(project.pk)) == (5, 5)
    assert [line.chapters for line in lines] == [2] * 5


def test_the_chapters_of_a_document_come_in_their_order(project: Project) -> None:
    document = processed(project, "Emma")
    assert [(line.position, line.title, line.words) for line in project_documents.chapters_of(document.pk)] == [
        (1, "Chapter 1", 4),
        (2, "Chapter 2", 4),
    ]


def test_projects_work_without_documents(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    processed(project, "Emma")
    monkeypatch.setattr(contents, "registered", lambda: contents.NOTHING)
    assert ReportService.generate(project)[1].documents == 0


# --- Stored reports -------------------------------------------------------------------------------


def test_a_report_is_stored_as_a_page_and_a_pdf(project: Project) -> None:
    processed(project, "Emma")
    report, _ = ReportService.generate(project, task_id="task-1")
    assert (report.project, report.task_id) == (project, "task-1")
    stored = Report.objects.get()
    with stored.html.open() as page, stored.pdf.open() as paper:
        assert b"Emma" in page.read()
        assert paper.read(5) == b"%PDF-"
    assert ReportService.newest(project) == stored
    assert StoredFile.objects.filter(name__startswith="reports/").count() == 2


def test_progress_is_reported_while_a_report_is_made(project: Project) -> None:
    for title in ("Emma", "Persuasion"):
        processed(project, title)
    heard: list[tuple[float | None, str | None]] = []

    class Listener(progress.Reporter):
        def report(self, percent: float | None, text: str | None) -> None:
            heard.append((percent, text))

    progress.bind(Listener())
    try:
        ReportService.generate(project)
    finally:
        progress.unbind()
    percents = [percent for percent, _ in heard if percent is not None]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert {text for _, text in heard} >= {"Documents: 1 of 2", "Documents: 2 of 2", "Drawing the page", "Done"}


def test_only_the_newest_reports_are_kept_with_their_files(project: Project, settings: Any) -> None:
    settings.REPORTS_KEPT = 2
    other, _ = ReportService.generate(Project.objects.create(owner=project.owner, name="Letters"))
    made = [ReportService.generate(project)[0].pk for _ in range(4)]
    assert list(project.reports.values_list("pk", flat=True)) == [made[3], made[2]]
    assert StoredFile.objects.filter(name__startswith="reports/").count() == 6
    assert Report.objects.filter(pk=other.pk).exists()


def test_a_project_takes_its_reports_and_their_files_with_it(project: Project) -> None:
    ReportService.generate(project)
    project.delete()
    assert not Report.objects.exists()
    assert not StoredFile.objects.exists()


def test_an_owner_takes_the_files_of_the_reports_with_them(project: Project) -> None:
    ReportService.generate(project)
    project.owner.delete()
    assert not StoredFile.objects.exists()


def test_a_project_that_is_deleted_meanwhile_leaves_no_report(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = pdf.render

    def delete_meanwhile(figures: Any) -> bytes:
        Project.objects.filter(pk=project.pk).delete()
        return render(figures)

    monkeypatch.setattr(pdf, "render", delete_meanwhile)
    with pytest.raises(Project.DoesNotExist):
        ReportService.generate(project)
    assert not Report.objects.exists()
    assert not StoredFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_no_file_in_the_database(project: Project) -> None:
    class Interrupted(BaseException):
        pass

    with pytest.raises(Interrupted), transaction.atomic():
        ReportService.generate(project)
        raise Interrupted
    assert not Report.objects.exists()
    assert not StoredFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_report_that_cannot_be_written_leaves_no_file_on_the_disk(
    project: Project, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_service, "report_storage", lambda: storages["reports"])
    monkeypatch.setattr(Report, "save", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ReportService.generate(project)
    assert files(directory) == []


@pytest.mark.django_db(transaction=True)
def test_files_on_a_disk_are_deleted_with_surplus_reports(
    project: Project, directory: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_service, "report_storage", lambda: storages["reports"])
    settings.REPORTS_KEPT = 1
    for _ in range(3):
        ReportService.generate(project)
    assert files(directory) == [".html", ".pdf"]
    project.delete()
    assert files(directory) == []


def test_a_failing_pdf_keeps_the_report_that_was_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = ReportService.generate(project)
    monkeypatch.setattr(pdf, "render", lambda figures: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ReportService.generate(project)
    assert list(Report.objects.all()) == [before]


def test_the_novel_makes_a_report_with_its_chapters(project: Project) -> None:
    from apps.documents.samples import PRIDE_AND_PREJUDICE

    novel = DocumentService.create(
        project=project, title="Pride and Prejudice", data=PRIDE_AND_PREJUDICE.read_bytes(), filename="novel.txt"
    )
    DocumentService.process_document(novel)
    _, figures = ReportService.generate(project)
    (course,) = figures.courses
    analysis = Analysis.objects.get()
    assert (figures.chapters, course.chapters, course.measure) == (61, 61, READING_EASE)
    assert figures.words == analysis.words
    assert figures.reading_ease == pytest.approx(analysis.reading_ease)
    assert figures.languages == ("en",)
    assert figures.dialogue_share == pytest.approx(analysis.dialogue_share)
    assert analysis.keywords
    assert analysis.longest_sentences
    assert analysis.repeated_phrases
    assert {keyword.text for keyword in figures.keywords} == {found["text"] for found in analysis.keywords}
    assert figures.longest_sentences[0].number == analysis.longest_sentences[0]["words"]
    assert figures.repeated_phrases[0].number == analysis.repeated_phrases[0]["count"]
    assert b"Length of the chapters" in html.render(figures)


# --- Starting -------------------------------------------------------------------------------------


def test_starting_sends_one_task_about_the_project(project: Project) -> None:
    task_id = ReportService.start(project, owner_id=project.owner_id)
    task = TaskStatus.objects.get()
    assert (task.task_id, task.task_name) == (task_id, "projects.generate_project_report")
    assert (task.queue_name, task.args, task.owner_id) == ("default", [project.pk], project.owner_id)
    assert list(TaskStatus.objects.about(project)) == [task]


def test_a_report_that_is_unfinished_is_not_started_twice(project: Project) -> None:
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
            barrier.wait(timeout=60)
            results.append(ReportService.start(project, owner_id=None))
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert results == [TaskStatus.objects.get().task_id] * 6
