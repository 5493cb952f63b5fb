"""Expired documents go, with their files, in batches."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.models import StoredChunk, StoredFile
from apps.documents import tasks
from apps.documents.models import Analysis, Chapter, Document, Manuscript
from apps.documents.services import expiry
from apps.documents.services.document_service import DocumentService
from apps.documents.services.expiry import FilesNotDeletedError
from apps.projects.models import Project
from apps.tasks import progress


class FragileStorage(FileSystemStorage):
    """Files on a disk, some of which cannot be deleted for now."""

    def __init__(self, location: Path) -> None:
        super().__init__(location=str(location))
        self.stuck: set[str] = set()
        self.deleted: list[str] = []

    def delete(self, name: str) -> None:
        self.deleted.append(name)
        if name in self.stuck:
            raise OSError(f"{name} is stuck")
        super().delete(name)


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FragileStorage:
    """The storage of the files."""
    found = FragileStorage(tmp_path)
    monkeypatch.setattr(Manuscript._meta.get_field("file"), "storage", found)
    return found


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH_SIZE", 3)


@pytest.fixture
def told() -> Iterator[list[float]]:
    """The percents that were reported."""
    percents: list[float] = []

    class Listener(progress.Reporter):
        def report(self, percent: float | None, text: str | None) -> None:
            percents.append(percent or 0)

    progress.bind(Listener())
    yield percents
    progress.unbind()


def expired(project: Project, count: int, *, hours: int = 1) -> list[Document]:
    """Expired documents with a file each."""
    made = []
    for number in range(count):
        document = Document.objects.create(
            project=project, title=str(number), expires_at=timezone.now() - timedelta(hours=hours)
        )
        manuscript = Manuscript(document=document, filename="a.txt")
        manuscript.file.save("a.txt", ContentFile(b"It began."))
        made.append(document)
    return made


def files(storage: FileSystemStorage) -> int:
    return sum(path.is_file() for path in Path(storage.location).rglob("*"))


def test_rows_and_files_go_together(project: Project, told: list[float]) -> None:
    expired(project, 7)
    (kept,) = expired(project, 1, hours=-1)
    assert DocumentService.delete_expired() == 7
    assert list(Document.objects.all()) == [kept]
    assert StoredFile.objects.count() == StoredChunk.objects.count() == 1
    assert told == sorted(told)
    assert told[-1] == 100


def test_documents_may_be_kept_for_days_after_they_expired(project: Project) -> None:
    expired(project, 2, hours=25)
    recent = expired(project, 1, hours=23)
    assert tasks.clean_expired_documents(days_kept=1) == {"deleted": 2}
    assert list(Document.objects.all()) == recent


@pytest.mark.django_db(transaction=True)
def test_files_in_another_store_go_too_each_asked_for_once(project: Project, storage: FragileStorage) -> None:
    expired(project, 7)
    assert DocumentService.delete_expired() == 7
    assert files(storage) == 0
    assert len(storage.deleted) == 7


@pytest.mark.django_db(transaction=True)
def test_a_document_whose_file_stays_stays_and_holds_up_no_other(project: Project, storage: FragileStorage) -> None:
    documents = expired(project, 7)
    stuck = Manuscript.objects.get(document=documents[1])
    storage.stuck.add(str(stuck.file.name))
    with pytest.raises(FilesNotDeletedError, match="6 expired documents were deleted; 1 are kept") as caught:
        DocumentService.delete_expired()
    assert isinstance(caught.value.__cause__, OSError)
    assert list(Document.objects.all()) == [documents[1]]
    assert Manuscript.objects.get().file == stuck.file
    assert files(storage) == 1
    storage.stuck.clear()
    assert DocumentService.delete_expired() == 1
    assert (files(storage), Document.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_an_interrupted_run_goes_on_in_the_next_one(
    project: Project, storage: FragileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    expired(project, 7)
    delete, calls = FragileStorage.delete, []

    def die(found: FragileStorage, name: str) -> None:
        calls.append(name)
        if len(calls) == 5:
            raise Killed
        delete(found, name)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(FragileStorage, "delete", die)
        DocumentService.delete_expired()
    # The first batch is gone. Of the second one a file is gone, and the next run finds its row.
    assert (Document.objects.count(), files(storage)) == (4, 3)
    assert DocumentService.delete_expired() == 4
    assert (Document.objects.count(), files(storage)) == (0, 0)


def test_an_expiry_that_is_postponed_meanwhile_counts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = expired(project, 5)
    postponed = documents[4]
    find = expiry.delete_files

    def postpone_meanwhile(*arguments: Any, **options: Any) -> set[int]:
        Document.objects.filter(pk=postponed.pk).update(expires_at=None)
        return find(*arguments, **options)

    monkeypatch.setattr(expiry, "delete_files", postpone_meanwhile)
    assert DocumentService.delete_expired() == 4
    assert list(Document.objects.all()) == [postponed]


def test_statements_and_their_parameters_are_bounded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH_SIZE", 10)
    documents = expired(project, 40)
    figures = {"words": 1, "sentences": 1, "reading_minutes": 0.1}
    Analysis.objects.bulk_create(Analysis(document=document, **figures) for document in documents)
    Chapter.objects.bulk_create(
        Chapter(document=document, position=number, **figures) for document in documents for number in range(1, 50)
    )
    with CaptureQueriesContext(connection) as queries:
        assert DocumentService.delete_expired() == 40
    assert not Chapter.objects.exists()
    statements = [query["sql"] for query in queries.captured_queries]
    assert max(len(statement) for statement in statements) < 2_000
    assert not any("SELECT" in statement and '"documents_chapter"' in statement for statement in statements)


def test_the_task_fails_if_files_stay_and_is_retried(project: Project, storage: FragileStorage) -> None:
    (document,) = expired(project, 1)
    storage.stuck.add(str(Manuscript.objects.get(document=document).file.name))
    with pytest.raises(FilesNotDeletedError):
        tasks.clean_expired_documents()
    assert tasks.clean_expired_documents.options["max_retries"] == 3
