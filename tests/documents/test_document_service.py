import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.documents.analysis.findings import Findings, OnProgress
from apps.documents.models import Analysis, Chapter, Document, Manuscript
from apps.documents.readers.errors import TextTooLargeError, UnreadableTextError
from apps.documents.samples import PRIDE_AND_PREJUDICE
from apps.documents.services import expiry, figures, findings
from apps.documents.services.document_service import DocumentService
from apps.documents.services.processing import ManuscriptChangedError
from apps.projects.models import Project
from apps.tasks import progress
from apps.tasks.models import TaskStatus

TEXT = "A BOOK\n\nChapter 1\n\nIt began. It went on.\n\nChapter 2\n\nIt ended.\n"


@pytest.fixture
def document(project: Project) -> Document:
    return DocumentService.create(project=project, title="A book", text=TEXT)


def rows(document: Document) -> dict[str, Any]:
    """Return all rows that processing stores, with their ids."""
    counts = ("id", "words", "sentences", "reading_minutes")
    return {
        "analysis": list(Analysis.objects.filter(document=document).values_list(*counts)),
        "chapters": list(Chapter.objects.filter(document=document).values_list("position", "title", *counts)),
        "document": Document.objects.values_list("status", "error_message").get(pk=document.pk),
    }


def test_a_new_title_is_in_the_row_and_in_the_object(document: Document) -> None:
    before = document.updated_at
    Document.objects.filter(pk=document.pk).update(status="processed")

    assert DocumentService.rename(document, title="Another book")

    assert (document.title, document.updated_at > before) == ("Another book", True)
    stored = Document.objects.get()
    assert (stored.title, stored.updated_at, stored.status) == ("Another book", document.updated_at, "processed")


def test_a_document_that_is_gone_gets_no_title(document: Document) -> None:
    Document.objects.filter(pk=document.pk).delete()

    assert not DocumentService.rename(document, title="Another book")
    assert document.title == "A book"


def chapters(document: Document) -> list[tuple[str, int, int]]:
    return list(document.chapters.values_list("title", "words", "sentences"))


def finish(task_id: str, status: str) -> None:
    TaskStatus.objects.filter(task_id=task_id).update(status=status, finished_at=timezone.now())


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Return the results of calls that start at once, each in a thread with a connection of its own."""
    barrier = threading.Barrier(len(calls))
    results: list[object] = [None] * len(calls)

    def run(index: int, call: Callable[[], object]) -> None:
        try:
            barrier.wait(timeout=60)
            results[index] = call()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index, call)) for index, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


# --- Creating ------------------------------------------------------------------------------------


def test_an_uploaded_file_becomes_a_draft_with_the_file_as_it_was(project: Project) -> None:
    data = "\ufeffEin Café.\r\n".encode()
    document = DocumentService.create(project=project, title="Café", data=data, filename="café.txt")
    document.refresh_from_db()
    assert (document.status, document.title, document.project) == (Document.Status.DRAFT, "Café", project)
    assert document.expires_at is None
    assert (document.manuscript.file.read(), document.manuscript.filename) == (data, "café.txt")
    assert document.manuscript.text == ""


def test_a_pasted_text_becomes_a_draft_without_a_filename(project: Project) -> None:
    expires_at = timezone.now() + timedelta(days=1)
    document = DocumentService.create(project=project, title="A", text="Some\x00 words", expires_at=expires_at)
    document.refresh_from_db()
    assert (document.manuscript.text, document.manuscript.filename) == ("Some words", "")
    assert not document.manuscript.file
    assert document.expires_at == expires_at


@pytest.mark.parametrize("source", [{}, {"text": "Words", "data": b"Words"}])
def test_a_document_is_made_of_a_file_or_of_a_pasted_text(project: Project, source: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="either data or text"):
        DocumentService.create(project=project, title="A", **source)


@pytest.mark.parametrize(
    "source", [{"text": " \n"}, {"data": b""}, {"data": b"%PDF-1.7", "filename": "a.pdf"}, {"data": b"a\x00b"}]
)
def test_an_unreadable_text_leaves_no_document(project: Project, source: dict[str, Any]) -> None:
    with pytest.raises(UnreadableTextError):
        DocumentService.create(project=project, title="A", **source)
    assert not Document.objects.exists()


@pytest.mark.parametrize("source", [{"text": "é" * 501}, {"data": b"a" * 1002}])
def test_a_text_that_is_too_large_is_refused_with_both_sizes(
    project: Project, settings: Any, source: dict[str, Any]
) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 1001
    with pytest.raises(TextTooLargeError, match="The text is 1,002 bytes, and at most 1,001 bytes can be taken"):
        DocumentService.create(project=project, title="A", **source)
    assert not Document.objects.exists()


def test_a_text_of_just_the_limit_is_taken(project: Project, settings: Any) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 1002
    assert DocumentService.create(project=project, title="A", text="é" * 501).pk
    assert DocumentService.create(project=project, title="A", data=b"a" * 1002).pk


@pytest.mark.parametrize(
    ("filename", "stored"),
    [
        ("novel.txt", "novel.txt"),
        ("C:\\Users\\Jane\\novel.txt", "novel.txt"),
        ("../../etc/novel.txt", "novel.txt"),
        ("no\x00vel\n.txt", "novel.txt"),
        ("n" * 300 + ".txt", "n" * 251 + ".txt"),
        ("", ""),
        ("..", ""),
        ("/", ""),
    ],
)
def test_a_filename_is_stored_without_its_path(project: Project, filename: str, stored: str) -> None:
    document = DocumentService.create(project=project, title="A", data=b"Words", filename=filename)
    document.manuscript.refresh_from_db()
    assert document.manuscript.filename == stored


# --- Starting ------------------------------------------------------------------------------------


def test_starting_sends_one_task_and_says_so_on_the_document(document: Document) -> None:
    Document.objects.update(status=Document.Status.FAILED, error_message="It failed.")
    task_id = DocumentService.start_processing(document, owner_id=document.project.owner_id)
    task = TaskStatus.objects.get()
    assert (task.task_id, task.task_name, task.queue_name) == (task_id, "documents.process_document", "documents")
    assert (task.args, task.owner_id) == ([document.pk], document.project.owner_id)
    assert list(TaskStatus.objects.about(document)) == [task]
    assert rows(document)["document"] == ("processing", "")
    assert (document.status, document.error_message) == ("processing", "")


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_a_document_that_is_on_its_way_gets_no_second_task(document: Document, status: str) -> None:
    task_id = DocumentService.start_processing(document, owner_id=None)
    TaskStatus.objects.update(status=status)
    assert DocumentService.start_processing(document, owner_id=None) == task_id
    assert TaskStatus.objects.count() == 1


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_document_whose_task_has_ended_gets_a_new_one(document: Document, status: str) -> None:
    task_id = DocumentService.start_processing(document, owner_id=None)
    finish(task_id, status)
    assert DocumentService.start_processing(document, owner_id=None) != task_id
    assert rows(document)["document"] == ("processing", "")


def test_tasks_of_other_documents_do_not_count(project: Project, document: Document) -> None:
    other = DocumentService.create(project=project, title="Another", text=TEXT)
    assert DocumentService.start_processing(document, owner_id=None) != DocumentService.start_processing(
        other, owner_id=None
    )


def test_a_start_that_is_rolled_back_leaves_nothing(document: Document) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        DocumentService.start_processing(document, owner_id=None)
        raise RuntimeError
    assert not TaskStatus.objects.exists()
    assert rows(document)["document"] == ("draft", "")


def test_a_document_that_was_deleted_is_not_started(document: Document) -> None:
    Document.objects.all().delete()
    with pytest.raises(Document.DoesNotExist):
        DocumentService.start_processing(document, owner_id=None)
    assert not TaskStatus.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_one_sends_and_all_get_its_task(redis_client: Any, document: Document) -> None:
    def start() -> str:
        return DocumentService.start_processing(Document.objects.get(pk=document.pk), owner_id=None)

    results = at_once(*[start] * 6)
    assert results == [TaskStatus.objects.get().task_id] * 6


# --- Processing ----------------------------------------------------------------------------------


def test_processing_stores_the_figures_of_the_whole_and_of_each_chapter(document: Document) -> None:
    found = DocumentService.process_document(document)
    assert chapters(document) == [("Chapter 1", 7, 2), ("Chapter 2", 4, 1)]
    analysis = document.analysis
    # The title, "A BOOK", belongs to the whole only.
    assert (analysis.words, analysis.sentences) == (13, 4)
    assert analysis.reading_minutes == round(13 / 230, 2)
    assert (found.words, found.sentences, len(found.chapters)) == (13, 4, 2)
    assert rows(document)["document"] == ("processed", "")
    assert document.status == "processed"


def test_the_novel_is_processed_with_few_statements(project: Project, django_assert_max_num_queries: Any) -> None:
    document = DocumentService.create(project=project, title="P&P", data=PRIDE_AND_PREJUDICE.read_bytes())
    with django_assert_max_num_queries(20):
        DocumentService.process_document(document)
    counted = list(document.chapters.values_list("position", "title", "words"))
    assert [position for position, _, _ in counted] == list(range(1, 62))
    assert [title for _, title, _ in counted] == [f"Chapter {number}" for number in range(1, 62)]
    assert all(600 <= words <= 5300 for _, _, words in counted)
    assert (document.analysis.words, document.analysis.sentences) == (121_876, 5_992)
    assert document.analysis.reading_minutes == 529.9


def test_processing_twice_leaves_the_same_rows(document: Document) -> None:
    DocumentService.process_document(document)
    first = rows(document)
    DocumentService.process_document(document)
    assert rows(document) == first


def test_processing_a_shorter_text_leaves_no_chapter_of_the_longer_one(document: Document) -> None:
    DocumentService.process_document(document)
    Manuscript.objects.update(text="Chapter 1\n\nIt began anew.\n", updated_at=timezone.now())
    DocumentService.process_document(document)
    assert chapters(document) == [("Chapter 1", 5, 1)]
    document.analysis.refresh_from_db()
    assert document.analysis.words == 5


def test_a_text_without_headings_is_one_chapter_without_a_title(project: Project) -> None:
    document = DocumentService.create(project=project, title="A", text="It began. It ended.")
    DocumentService.process_document(document)
    assert chapters(document) == [("", 4, 2)]


def test_a_long_title_is_cut_to_its_column(project: Project) -> None:
    headings = "".join(f"# Chapter {number}. {'X' * 600}\n\nIt went on.\n\n" for number in (1, 2))
    document = DocumentService.create(project=project, title="A", text=headings)
    DocumentService.process_document(document)
    assert [len(title) for title in document.chapters.values_list("title", flat=True)] == [255, 255]


def test_many_chapters_are_stored_in_batches(project: Project) -> None:
    number = 2 * figures.BATCH_SIZE + 1
    text = "".join(f"Chapter {position}\n\nIt went on.\n\n" for position in range(1, number + 1))
    document = DocumentService.create(project=project, title="A", text=text)
    DocumentService.process_document(document)
    assert document.chapters.count() == number
    assert document.analysis.words == 5 * number


def test_the_reading_time_follows_the_setting(document: Document, settings: Any) -> None:
    settings.READING_WORDS_PER_MINUTE = 26
    DocumentService.process_document(document)
    assert document.analysis.reading_minutes == 0.5


def test_a_failure_of_an_earlier_time_is_forgotten(document: Document) -> None:
    Document.objects.update(status=Document.Status.FAILED, error_message="It failed.")
    DocumentService.process_document(document)
    assert rows(document)["document"] == ("processed", "")


class Listener(progress.Reporter):
    """Keeps all reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[tuple[float | None, str | None]] = []

    def report(self, percent: float | None, text: str | None) -> None:
        self.reports.append((percent, text))


def test_progress_is_reported_by_chapter(document: Document) -> None:
    listener = Listener()
    progress.bind(listener)
    try:
        DocumentService.process_document(document)
    finally:
        progress.unbind()
    assert [text for text, _ in groupby(text for _, text in listener.reports if text)] == [
        "Reading the text",
        "Chapter 1 of 2",
        "Chapter 2 of 2",
        "Chapter 1 of 2: phrases",
        "Chapter 2 of 2: phrases",
        "Storing the figures",
        "Done",
    ]
    percents = [percent for percent, _ in listener.reports if percent is not None]
    assert percents == sorted(percents)
    assert (percents[0], percents[1] >= 40, percents[-2:]) == (0, True, [95, 100])


def test_a_document_without_a_text_is_refused_in_words(document: Document) -> None:
    Manuscript.objects.all().delete()
    with pytest.raises(UnreadableTextError, match="There is no text in this document"):
        DocumentService.process_document(document)


def test_a_text_that_came_by_another_way_is_checked_too(document: Document) -> None:
    Manuscript.objects.update(text=" \n")
    with pytest.raises(UnreadableTextError, match="nothing but white space"):
        DocumentService.process_document(document)


def test_a_document_that_is_gone_raises_its_error(document: Document) -> None:
    Document.objects.all().delete()
    with pytest.raises(Document.DoesNotExist, match=f"Document {document.pk} no longer exists"):
        DocumentService.process_document(document)


def after_analysis(monkeypatch: pytest.MonkeyPatch, happening: Callable[[], object]) -> None:
    """Call `happening` after the text is analysed and before the figures are stored."""
    analyse = findings.analyse

    def wrapped(text: str, *, on_progress: OnProgress) -> Findings:
        found = analyse(text, on_progress=on_progress)
        happening()
        return found

    monkeypatch.setattr(findings, "analyse", wrapped)


def test_a_document_that_is_deleted_meanwhile_leaves_no_rows(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_analysis(monkeypatch, Document.objects.all().delete)
    with pytest.raises(Document.DoesNotExist, match="no longer exists"):
        DocumentService.process_document(document)
    assert not Analysis.objects.exists()
    assert not Chapter.objects.exists()


def test_figures_of_a_text_that_was_changed_meanwhile_are_not_stored(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        manuscript = Manuscript.objects.get()
        manuscript.text = "Another text."
        manuscript.save()

    after_analysis(monkeypatch, change)
    with pytest.raises(ManuscriptChangedError):
        DocumentService.process_document(document)
    assert not Analysis.objects.exists()


def test_a_failure_while_storing_leaves_the_old_figures(document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    DocumentService.process_document(document)
    before = rows(document)
    Manuscript.objects.update(text="One chapter now.", updated_at=timezone.now())
    store = figures.store

    def fail(*args: Any) -> None:
        store(*args)
        raise RuntimeError("the database went away")

    monkeypatch.setattr(figures, "store", fail)
    with pytest.raises(RuntimeError):
        DocumentService.process_document(document)
    after = rows(document)
    assert (after["analysis"], after["chapters"]) == (before["analysis"], before["chapters"])
    assert after["document"] == ("processing", "")


@pytest.mark.django_db(transaction=True)
def test_processing_twice_at_once_leaves_the_rows_of_one(document: Document) -> None:
    def process() -> int:
        return DocumentService.process_document(Document.objects.get(pk=document.pk)).words

    assert at_once(*[process] * 4) == [13] * 4
    assert chapters(document) == [("Chapter 1", 7, 2), ("Chapter 2", 4, 1)]
    assert Analysis.objects.filter(document=document).count() == 1
    assert rows(document)["document"] == ("processed", "")


# --- Failing -------------------------------------------------------------------------------------


def test_a_document_in_processing_is_marked_failed(document: Document) -> None:
    Document.objects.update(status=Document.Status.PROCESSING)
    assert DocumentService.mark_failed(document.pk, error_message="It is blank.")
    assert rows(document)["document"] == ("failed", "It is blank.")


@pytest.mark.parametrize("status", ["draft", "processed"])
def test_a_document_that_is_not_in_processing_is_not_marked_failed(document: Document, status: str) -> None:
    Document.objects.update(status=status)
    assert not DocumentService.mark_failed(document.pk, error_message="It is blank.")
    assert rows(document)["document"] == (status, "")


def test_a_document_that_is_gone_is_not_marked_failed(document: Document) -> None:
    Document.objects.all().delete()
    assert not DocumentService.mark_failed(document.pk, error_message="It is blank.")


def test_giving_up_names_the_task(document: Document) -> None:
    task_id = DocumentService.start_processing(document, owner_id=None)
    assert DocumentService.give_up(document.pk, task_id=task_id)
    status, error_message = rows(document)["document"]
    assert status == "failed"
    assert task_id in error_message


def test_giving_up_an_old_task_leaves_a_newer_one_alone(document: Document) -> None:
    old = DocumentService.start_processing(document, owner_id=None)
    finish(old, "failed")
    DocumentService.start_processing(document, owner_id=None)
    assert not DocumentService.give_up(document.pk, task_id=old)
    assert rows(document)["document"] == ("processing", "")


def test_a_document_whose_task_is_on_its_way_stays_as_it_is(document: Document, django_assert_num_queries: Any) -> None:
    DocumentService.start_processing(document, owner_id=None)
    with django_assert_num_queries(1):
        assert DocumentService.settle(document).status == "processing"


@pytest.mark.parametrize(
    ("task_status", "status", "words"),
    [
        ("cancelled", "failed", "stopped before it was done"),
        ("failed", "failed", "something went wrong on our side"),
        ("completed", "processed", ""),
    ],
)
def test_a_document_whose_task_ended_without_saying_so_is_mended(
    document: Document, task_status: str, status: str, words: str
) -> None:
    finish(DocumentService.start_processing(document, owner_id=None), task_status)
    mended = DocumentService.settle(document)
    assert mended is document
    assert mended.status == status
    assert words in mended.error_message
    assert rows(document)["document"] == (mended.status, mended.error_message)


def test_a_document_in_processing_without_any_task_is_mended(document: Document) -> None:
    Document.objects.update(status=Document.Status.PROCESSING)
    document.refresh_from_db()
    assert DocumentService.settle(document).status == "failed"


@pytest.mark.parametrize("status", ["draft", "processed", "failed"])
def test_settling_a_document_that_is_not_in_processing_asks_nothing(
    document: Document, django_assert_num_queries: Any, status: str
) -> None:
    document.status = status
    with django_assert_num_queries(0):
        assert DocumentService.settle(document).status == status


# --- Cleaning up ---------------------------------------------------------------------------------


def test_only_documents_whose_time_has_passed_are_deleted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH_SIZE", 2)
    now = timezone.now()
    for number in range(5):
        expired = DocumentService.create(project=project, title=str(number), text=TEXT, expires_at=now)
        DocumentService.process_document(expired)
    kept = [
        DocumentService.create(project=project, title="later", text=TEXT, expires_at=now + timedelta(hours=1)),
        DocumentService.create(project=project, title="never", text=TEXT),
    ]
    assert DocumentService.delete_expired() == 5
    assert set(Document.objects.all()) == set(kept)
    assert Manuscript.objects.count() == 2
    assert not Chapter.objects.exists()
    assert DocumentService.delete_expired() == 0
