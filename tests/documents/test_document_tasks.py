from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.utils import timezone

from apps.documents import tasks
from apps.documents.models import Document, Manuscript
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.samples import PRIDE_AND_PREJUDICE
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks.errors import Snooze
from apps.tasks.models import TaskStatus
from tests import rows

# A worker in the test's own process.

TEXT = "Chapter 1\n\nIt began.\n\nChapter 2\n\nIt ended.\n"


@pytest.fixture
def document(project: Project) -> Document:
    return DocumentService.create(project=project, title="A book", text=TEXT)


def task(task_id: str) -> TaskStatus:
    return TaskStatus.objects.get(task_id=task_id)


def test_the_actors_are_declared_as_the_guidelines_say() -> None:
    options = tasks.process_document.options
    assert (tasks.process_document.actor_name, tasks.process_document.queue_name) == (
        "documents.process_document",
        "documents",
    )
    assert (options["max_retries"], options["min_backoff"], options["max_backoff"]) == (3, 15_000, 600_000)
    assert (options["time_limit"], options["related_to"]) == (1_800_000, "documents.Document")
    assert options["throws"] == (UnreadableTextError,)
    assert options["on_retry_exhausted"] == tasks.mark_document_failed.actor_name
    assert tasks.clean_expired_documents.options["periodic"].parsed_from == "0 3 * * *"


def test_the_task_returns_its_figures(document: Document) -> None:
    assert tasks.process_document(document.pk) == {"document_id": document.pk, "words": 8, "chapters": 2}


def test_a_document_that_is_gone_is_a_note_and_no_failure(db: None) -> None:
    assert tasks.process_document(5) == {"note": "Document 5 no longer exists."}


def test_a_text_that_cannot_be_read_fails_the_document_and_the_task(document: Document) -> None:
    Manuscript.objects.update(text=" \n")
    with pytest.raises(UnreadableTextError):
        tasks.process_document(document.pk)
    document.refresh_from_db()
    assert document.status == "failed"
    assert document.error_message == "There is no text in it: it is empty or holds nothing but white space."


@pytest.mark.parametrize("by_name", [False, True])
def test_a_task_without_retries_left_is_written_on_the_document(document: Document, by_name: bool) -> None:
    task_id = DocumentService.start_processing(document, owner_id=None)
    TaskStatus.objects.update(status="failed")
    arguments: dict[str, Any] = {"kwargs": {"document_id": document.pk}} if by_name else {"args": (document.pk,)}
    message = tasks.process_document.message_with_options(**arguments).copy(message_id=task_id)
    result = tasks.mark_document_failed(message.asdict(), {"retries": 3, "max_retries": 3})
    assert result == {"document_id": document.pk, "marked": True}
    document.refresh_from_db()
    assert document.status == "failed"
    assert task_id in document.error_message


def test_cleaning_up_returns_the_number_of_deleted_documents(document: Document) -> None:
    Document.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tasks.clean_expired_documents() == {"deleted": 1}
    assert tasks.clean_expired_documents() == {"deleted": 0}


# --- With a worker -------------------------------------------------------------------------------


@pytest.fixture
def run(working: dramatiq.Worker, wait_until: Callable[..., Any]) -> Callable[[str], TaskStatus]:
    """`run(task_id)`: the row of the task, once a worker has ended it."""

    def wait(task_id: str) -> TaskStatus:
        wait_until(lambda: task(task_id).is_finished, explain=lambda: list(TaskStatus.objects.values()))
        return task(task_id)

    return wait


def test_the_novel_is_processed_by_a_worker(document: Document, run: Callable[[str], TaskStatus]) -> None:
    novel = DocumentService.create(
        project=document.project, title="P&P", data=PRIDE_AND_PREJUDICE.read_bytes(), filename="pp.txt"
    )
    row = run(DocumentService.start_processing(novel, owner_id=document.project.owner_id))
    assert (row.status, row.progress, row.error_message) == ("completed", 100, "")
    assert row.result == {"document_id": novel.pk, "words": 121_876, "chapters": 61}
    novel.refresh_from_db()
    assert novel.status == "processed"
    assert novel.chapters.count() == 61
    assert row.finished_at is not None
    assert row.started_at is not None
    assert (row.finished_at - row.started_at).total_seconds() < 60


def test_a_hopeless_text_fails_at_once(document: Document, run: Callable[[str], TaskStatus]) -> None:
    Manuscript.objects.update(text="* * *")
    row = run(DocumentService.start_processing(document, owner_id=None))
    assert (row.status, row.retries, row.error_message) == ("failed", 0, "There is not a single word in it.")
    document.refresh_from_db()
    assert (document.status, document.error_message) == ("failed", "There is not a single word in it.")


def test_a_passing_error_is_retried(
    document: Document, run: Callable[[str], TaskStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, calls = DocumentService.process_document, []

    def fail_once(document: Document) -> object:
        calls.append(document.status)
        if len(calls) == 1:
            raise ConnectionError("the database went away")
        return process(document)

    monkeypatch.setattr(DocumentService, "process_document", fail_once)
    monkeypatch.setitem(tasks.process_document.options, "min_backoff", 1)
    row = run(DocumentService.start_processing(document, owner_id=None))
    assert (row.status, row.retries) == ("completed", 1)
    document.refresh_from_db()
    assert document.status == "processed"
    assert calls == ["processing", "processing"]


def test_a_lasting_error_fails_the_document_in_the_end(
    document: Document,
    run: Callable[[str], TaskStatus],
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> None:
    def fail(document: Document) -> object:
        raise ConnectionError("the database went away")

    monkeypatch.setattr(DocumentService, "process_document", fail)
    monkeypatch.setitem(tasks.process_document.options, "min_backoff", 1)
    monkeypatch.setitem(tasks.process_document.options, "max_backoff", 1)
    row = run(DocumentService.start_processing(document, owner_id=None))
    assert (row.status, row.retries, row.error_message) == ("failed", 3, "the database went away")
    wait_until(lambda: Document.objects.get(pk=document.pk).status == "failed")
    document.refresh_from_db()
    assert row.task_id in document.error_message
    assert "the database went away" not in document.error_message
    # The next start works.
    monkeypatch.undo()
    row = run(DocumentService.start_processing(document, owner_id=None))
    assert row.status == "completed"
    document.refresh_from_db()
    assert (document.status, document.error_message) == ("processed", "")


def test_a_document_that_is_deleted_while_it_waits_is_a_note(
    document: Document, run: Callable[[str], TaskStatus]
) -> None:
    pk = document.pk
    message = tasks.process_document.message(pk + 1)
    dramatiq.get_broker().enqueue(message)
    row = run(message.message_id)
    assert (row.status, row.result) == ("completed", {"note": f"Document {pk + 1} no longer exists."})


def test_a_project_is_processed_by_one_task_that_starts_the_others(working: Any, ended: Any) -> None:
    project = rows.project()
    documents = [DocumentService.create(project=project, title=str(number), text="Emma.") for number in range(3)]
    processed = rows.document(project=project, status=Document.Status.PROCESSED)

    row = ended(tasks.process_project.send_with_options(args=(project.pk,), owner_id=project.owner_id))

    assert row.result == {"project_id": project.pk, "started": 3}
    assert (row.progress, row.progress_text) == (100, "3 of 3 started")
    started = TaskStatus.objects.filter(task_name="documents.process_document").order_by("pk")
    assert [row.related_object_id for row in started] == [document.pk for document in documents]
    assert {row.owner_id for row in started} == {project.owner_id}
    assert processed.pk not in [row.related_object_id for row in started]
    # A second run finds nothing to start.
    assert tasks.process_project(project.pk) == {"project_id": project.pk, "started": 0}


@pytest.mark.django_db(transaction=True)
def test_a_project_whose_drafts_find_a_full_queue_is_put_off(project: Project, settings: Any, broker: object) -> None:
    settings.TASK_QUEUES = settings.TASK_QUEUES | {"documents": {"max_waiting": 1}}
    drafts = [rows.document(project=project) for _ in range(2)]
    with pytest.raises(Snooze) as put_off:
        tasks.process_project(project.pk)
    assert put_off.value.delay_ms == 60_000
    assert {Document.objects.get(pk=draft.pk).status for draft in drafts} == {Document.Status.DRAFT}
    assert not TaskStatus.objects.exists()
