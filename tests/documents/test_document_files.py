"""An uploaded file is deleted with its document, in whatever way that is deleted."""

import http.client
import io
import json
import shutil
import signal
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from aiWriting.environment import BASE_DIR
from apps.core.models import StoredChunk, StoredFile
from apps.documents.models import Document, Manuscript, stored_name
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks import progress
from apps.tasks.models import TaskStatus
from tests import manuscripts, rows
from tests.clients import Writer, writer
from tests.commands import RunningCommand
from tests.manuscripts import REFUSED_AT_ONCE, REFUSED_WHEN_READ, WRITTEN_ELSEWHERE
from tests.waiting import wait_until
from tests.web import TIMEOUT_SECONDS, serving
from workers.embedded.server import free_port

#: The readers and the pages know no database.
pytestmark = [pytest.mark.django_db, pytest.mark.once]

DOCX = (WRITTEN_ELSEWHERE / "three-chapters.docx").read_bytes()


def made(project: Project, *, data: bytes = DOCX, filename: str = "novel.docx", **values: Any) -> Document:
    return DocumentService.create(project=project, title="A book", data=data, filename=filename, **values)


def upload(client: Writer, data: bytes, *, filename: str, **fields: Any) -> Any:
    file = SimpleUploadedFile(filename, data)
    return client.post("/api/documents/", {"file": file, **fields}, format="multipart")


def stored() -> tuple[int, int]:
    """Return the number of files, and of chunks."""
    return StoredFile.objects.count(), StoredChunk.objects.count()


# --- Deleting ---


def delete_through_the_api(jane: Writer, documents: list[Document]) -> None:
    for document in documents:
        assert jane.delete(f"/api/documents/{document.pk}/").status_code == 204


def delete_their_project(jane: Writer, documents: list[Document]) -> None:
    assert jane.delete(f"/api/projects/{documents[0].project_id}/").status_code == 204


def delete_expired(jane: Writer, documents: list[Document]) -> None:
    Document.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert DocumentService.delete_expired() == len(documents)


def delete_their_manuscripts(jane: Writer, documents: list[Document]) -> None:
    Manuscript.objects.all().delete()


WAYS: dict[str, Callable[[Writer, list[Document]], Any]] = {
    "through the API": delete_through_the_api,
    "with their project": delete_their_project,
    "with their owner": lambda jane, documents: get_user_model().objects.filter(pk=jane.user.pk).delete(),
    "all at once": lambda jane, documents: Document.objects.all().delete(),
    "one by one": lambda jane, documents: [document.delete() for document in documents],
    "when they have expired": delete_expired,
    "as manuscripts": delete_their_manuscripts,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_deleted_document_leaves_no_file(jane: Writer, project: Project, way: str) -> None:
    documents = [made(project), made(project), made(project, data=b"Some words.", filename="a.txt")]
    rows.document()  # Without a file.
    documents.append(DocumentService.create(project=project, title="Pasted", text="Some words."))
    Document.objects.exclude(project=project).delete()
    assert stored() == (3, 3)

    WAYS[way](jane, documents)

    assert stored() == (0, 0)
    assert not Manuscript.objects.exists()


def test_the_files_of_other_documents_stay(jane: Writer, project: Project) -> None:
    gone, stays = made(project), made(project)
    gone.delete()
    assert stays.manuscript.file.read() == DOCX
    assert stored() == (1, 1)


def test_deleting_many_documents_loads_none_of_their_texts(project: Project) -> None:
    for number in range(5):
        DocumentService.create(project=project, title=str(number), text="words " * 500_000)
    tracemalloc.start()
    try:
        Document.objects.all().delete()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_is_rolled_back_keeps_the_file(project: Project) -> None:
    document = made(project)
    with pytest.raises(RuntimeError), transaction.atomic():
        document.delete()
        raise RuntimeError
    assert Manuscript.objects.get().file.read() == DOCX


@pytest.mark.django_db(transaction=True)
def test_a_creation_that_is_rolled_back_leaves_no_file(project: Project) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        made(project)
        raise RuntimeError
    assert stored() == (0, 0)
    project_id = project.pk
    Project.objects.all().delete()
    project.pk = project_id
    # The project is gone, so the row cannot be written.
    with pytest.raises(Exception, match=r"(?i)foreign key"), transaction.atomic():
        made(project)
    assert stored() == (0, 0)


# --- A store that knows no transactions ---


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """Store files in a folder, as an example of a storage without transactions."""
    options = {"location": str(tmp_path)}
    settings.STORAGES = {
        **settings.STORAGES,
        "manuscripts": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options},
    }
    field = Manuscript._meta.get_field("file")
    before = field.storage
    field.storage = storages["manuscripts"]
    assert isinstance(field.storage, FileSystemStorage)
    yield tmp_path
    field.storage = before


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.django_db(transaction=True)
def test_another_store_keeps_and_loses_files_with_their_rows(folder: Path, project: Project) -> None:
    document = made(project)
    assert [path.read_bytes() for path in files(folder)] == [DOCX]
    assert stored() == (0, 0)
    assert DocumentService.process_document(document).words > 3_000

    with pytest.raises(RuntimeError), transaction.atomic():
        document.delete()
        raise RuntimeError
    assert len(files(folder)) == 1

    Document.objects.all().delete()
    assert files(folder) == []


@pytest.mark.django_db(transaction=True)
def test_another_store_keeps_no_file_whose_row_cannot_be_written(folder: Path, project: Project) -> None:
    Project.objects.all().delete()
    project.pk = 10**6
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        made(project)
    assert files(folder) == []


def test_names_in_the_store_say_nothing_of_the_writer_and_are_never_the_same() -> None:
    names = {
        stored_name(filename=filename) for filename in ["../../a.docx", "My secret.DOCX", "a", "a.b/c", "x." + "y" * 50]
    }
    assert len(names) == 5
    assert all(name.startswith("manuscripts/") and ".." not in name and "secret" not in name for name in names)
    assert sum(name.endswith(".docx") for name in names) == 2
    assert stored_name(filename="a.txt") != stored_name(filename="a.txt")


# --- Downloading ---


@pytest.mark.parametrize(
    ("data", "filename", "sent_as"),
    [
        (b"del /q c:", "setup.bat", "setup.bat.txt"),
        (b"new ActiveXObject", "novel.docx.js", "novel.docx.js.txt"),
        (b"Emma.", "Emma", "Emma.txt"),
        (b"Emma.", "EMMA.TXT", "EMMA.TXT"),
        (b"# Emma", "emma.md", "emma.md"),
        (b"<html><p>Emma</p></html>", "emma.hta", "emma.hta.html"),
        (DOCX, "novel.exe", "novel.exe.docx"),
        (DOCX, "Emma 2. The end", "Emma 2. The end.docx"),
    ],
)  # fmt: skip
def test_no_file_comes_back_under_the_suffix_of_a_program(
    jane: Writer, project: Project, data: bytes, filename: str, sent_as: str
) -> None:
    answer = jane.get(f"/api/documents/{made(project, data=data, filename=filename).pk}/file/")
    assert answer["Content-Disposition"] == f'attachment; filename="{sent_as}"'
    assert b"".join(answer) == data


@pytest.mark.parametrize("filename", ["novel.docx", "Mon été, “naïve”.docx", 'a"b;c.docx', "evil.html"])
def test_the_original_can_be_downloaded(jane: Writer, project: Project, filename: str) -> None:
    document = made(project, filename=filename)

    response = jane.get(f"/api/documents/{document.pk}/file/")

    assert response.status_code == 200
    assert response.getvalue() == DOCX
    assert response["Content-Disposition"].startswith("attachment; filename")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Length"] == str(len(DOCX))
    assert "no-store" in response["Cache-Control"]


def test_a_pasted_text_is_downloaded_as_a_text_file(jane: Writer, project: Project) -> None:
    document = DocumentService.create(project=project, title="Emma / été", text="Some words, été.\n")

    response = jane.get(f"/api/documents/{document.pk}/file/")

    assert response.getvalue() == "Some words, été.\n".encode()
    assert "%C3%A9t%C3%A9.txt" in response["Content-Disposition"]


def test_a_document_without_anything_has_no_file(jane: Writer, project: Project) -> None:
    document = rows.document(project=project)
    assert jane.get(f"/api/documents/{document.pk}/file/").status_code == 404
    made_document = made(project)
    StoredFile.objects.all().delete()
    assert jane.get(f"/api/documents/{made_document.pk}/file/").status_code == 404


def test_no_other_user_can_download_it(jane: Writer, project: Project) -> None:
    path = f"/api/documents/{made(project).pk}/file/"
    for other in (writer("emily"), writer("staff", is_staff=True)):
        assert other.get(path).status_code == 404
    jane.credentials()
    assert jane.get(path).status_code in (401, 403)


@pytest.mark.django_db(transaction=True)
def test_a_real_server_sends_a_large_original_in_pieces(jane: Writer, project: Project) -> None:
    content = b"words and words\n" * 500_000
    document = made(project, data=content, filename="a.txt")
    with serving() as port, closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)) as link:
        link.request("GET", f"/api/documents/{document.pk}/file/", headers={"Authorization": f"Token {jane.token}"})
        with link.getresponse() as response:
            assert (response.status, response.getheader("Content-Length")) == (200, str(len(content)))
            assert response.read() == content


# --- Hostile and unreadable files ---


def nothing_was_stored() -> bool:
    return stored() == (0, 0) and not (Document.objects.exists() or Manuscript.objects.exists())


@pytest.mark.parametrize("case", REFUSED_AT_ONCE)
def test_a_file_that_cannot_be_taken_is_refused_in_a_sentence(jane: Writer, project: Project, case: str) -> None:
    name, make, complaint = REFUSED_AT_ONCE[case]

    response = upload(jane, make(), filename=name, project=project.pk, title="Emma")

    assert (response.status_code, list(response.json())) == (400, ["file"])
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError(response.json()["file"][0])
    assert nothing_was_stored()


@pytest.mark.parametrize("case", REFUSED_WHEN_READ)
def test_a_file_that_cannot_be_read_fails_with_a_sentence_on_its_document(
    jane: Writer, project: Project, case: str, working: Any
) -> None:
    name, make, complaint = REFUSED_WHEN_READ[case]
    answer = upload(jane, make(), filename=name, project=project.pk, title="Emma")
    assert answer.status_code == 201
    path = f"/api/documents/{answer.json()['id']}/"
    task_url = jane.post(f"{path}process/").json()["task_url"]

    wait_until(lambda: jane.get(task_url).json()["status"] == "failed")

    shown = jane.get(path).json()
    assert (shown["status"], shown["analysis"]) == ("failed", None)
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError(shown["error_message"])
    assert TaskStatus.objects.get().retries == 0


def test_200_mb_are_refused_by_their_length(jane: Writer, project: Project) -> None:
    response = upload(jane, b" " * 200 * 1024**2, filename="spaces.txt", project=project.pk)

    assert response.status_code == 413
    assert "200.0 MB" in response.json()["detail"]
    assert "at most 50.0 MB" in response.json()["detail"]
    assert nothing_was_stored()


def test_49_mb_of_spaces_are_refused(jane: Writer, project: Project) -> None:
    response = upload(jane, b" " * 49 * 1024**2, filename="spaces.txt", project=project.pk)

    assert response.status_code == 400
    assert "nothing but white space" in response.json()["file"][0]
    assert nothing_was_stored()


def test_the_limits_are_settings(jane: Writer, project: Project, settings: Settings) -> None:
    settings.DOCUMENT_MAX_PAGES = 2
    settings.DOCUMENT_MAX_PARTS = 5
    pages = [manuscripts.text_lines("Some words.")] * 3
    for name, data, complaint in (
        ("a.pdf", manuscripts.pdf(*pages), "The PDF has 3 pages, and at most 2 can be taken"),
        ("a.docx", manuscripts.many_parts(10), "packed from 13 parts, and at most 5 can be taken"),
    ):
        response = upload(jane, data, filename=name, project=project.pk)
        assert response.status_code == 400
        assert complaint in response.json()["file"][0]


# --- Web and workers that share no disk ---


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_file_that_one_machine_takes_is_read_by_another(
    command: Callable[..., RunningCommand], jane: Writer, project: Project, tmp_path: Path
) -> None:
    """Two copies of the code in two places, each with a `var` and a folder for temporary files of its own."""
    port = free_port()
    web_place, worker_place = tmp_path / "web-1", tmp_path / "worker-1"
    for place in (web_place, worker_place):
        for package in ("aiWriting", "apps", "workers"):
            shutil.copytree(BASE_DIR / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(BASE_DIR / "manage.py", place)
        (place / "tmp").mkdir()

    def start(place: Path, line: str, **variables: str) -> RunningCommand:
        argv = ("/bin/sh", "-c", f"cd {place} && exec {sys.executable} {line}")
        return command(
            argv=argv,
            AIWRITING_VAR=str(place / "var"),
            TMPDIR=str(place / "tmp"),
            PYTHONPATH="",
            EXTRA_APPS="",
            **variables,
        )

    web = start(web_place, f"-m uvicorn aiWriting.asgi:application --port {port}")
    web.good_ends = {-signal.SIGTERM, 0}
    start(worker_place, "manage.py runworker --processes 1", WORKER_THREADS="2")
    wait_until(lambda: "Uvicorn running on" in web.output, explain=lambda: web.output)

    def ask(method: str, path: str, body: bytes = b"", content_type: str = "") -> tuple[int, bytes]:
        headers = {"Authorization": f"Token {jane.token}", "Content-Type": content_type}
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as link:
            link.request(method, path, body=body, headers=headers)
            with link.getresponse() as response:
                return response.status, response.read()

    for name in ("three-chapters.docx", "three-chapters.pdf"):
        content = (WRITTEN_ELSEWHERE / name).read_bytes()
        form = io.BytesIO()
        form.write(f'--x\r\nContent-Disposition: form-data; name="project"\r\n\r\n{project.pk}\r\n--x\r\n'.encode())
        form.write(f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode())
        form.write(content + b"\r\n--x--\r\n")
        status, answer = ask("POST", "/api/documents/", form.getvalue(), "multipart/form-data; boundary=x")
        assert status == 201, answer
        path = f"/api/documents/{json.loads(answer)['id']}/"
        assert ask("POST", f"{path}process/")[0] == 202

        def processed(path: str = path) -> Any:
            shown = json.loads(ask("GET", path)[1])
            assert shown["status"] != "failed", shown
            return shown["analysis"]

        found = wait_until(processed)
        assert [chapter["title"] for chapter in found["chapters"]] == ["Chapter 1", "Chapter 2", "Chapter 3"]
        assert ask("GET", f"{path}file/") == (200, content)
    # No file is left on either disk.
    assert not [path for place in (web_place, worker_place) for path in (place / "tmp").iterdir()]


def test_progress_is_reported_while_a_file_is_read(project: Project) -> None:
    class Listener(progress.Reporter):
        def __init__(self) -> None:
            super().__init__()
            self.heard: list[tuple[float, str]] = []

        def report(self, percent: float | None, text: str | None) -> None:
            self.heard.append((percent or 0.0, text or ""))

    novel = BASE_DIR / "tests" / "documents" / "novel" / "pride-and-prejudice.pdf"
    document = made(project, data=novel.read_bytes(), filename=novel.name)
    listener = Listener()
    progress.bind(listener)
    try:
        DocumentService.process_document(document)
    finally:
        progress.unbind()
    reading = [(percent, text) for percent, text in listener.heard if text.startswith("Reading page")]
    chapters = [percent for percent, text in listener.heard if text.startswith("Chapter")]
    assert reading
    assert all(0 < percent <= 40 for percent, _ in reading)
    assert min(chapters) >= 40
    assert [percent for percent, _ in listener.heard] == sorted(percent for percent, _ in listener.heard)


def test_a_stored_file_is_read_again_each_time(project: Project) -> None:
    document = made(project)
    first = DocumentService.process_document(document)
    assert DocumentService.process_document(document).words == first.words
    manuscript = Manuscript.objects.get()
    manuscript.file.save("a.txt", ContentFile(b"Other words."))
    manuscript.filename = "a.txt"
    manuscript.save()
    assert DocumentService.process_document(document).words == 2
