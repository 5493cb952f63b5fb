"""Room for bytes and documents, whatever way they come."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from apps.accounts.models import Allowance, Meter, User
from apps.accounts.quotas.errors import NoRoomError, NotNowError, QuotaError
from apps.documents import readers
from apps.documents.models import Document, Manuscript
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.services import room
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Membership, Project, Role
from tests import rows
from tests.at_once import at_once
from tests.clients import Writer

pytestmark = pytest.mark.django_db

TEXT = "It is a truth universally acknowledged.\n"
MEGABYTE = 1024**2
LARGE = b"It is a truth universally acknowledged.\n" * 14_000  # 0.53 MB


def upload(client: Writer, project: Project, data: bytes = TEXT.encode()) -> Any:
    fields = {"project": project.pk, "title": "Emma", "file": SimpleUploadedFile("emma.txt", data)}
    return client.post("/api/documents/", fields, format="multipart")


def paste(client: Writer, project: Project, text: str = TEXT) -> Any:
    return client.post("/api/documents/", {"project": project.pk, "title": "Emma", "text": text})


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a reader looks at a file."""

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("the file was read")

    monkeypatch.setattr(readers, "check", fail)


# --- The use -------------------------------------------------------------------------------------


def test_the_size_of_a_file_and_of_a_pasted_text_is_known(project: Project) -> None:
    DocumentService.create(project=project, title="Emma", data=LARGE, filename="emma.txt")
    DocumentService.create(project=project, title="Emma", text="é" * 10)
    sizes = Document.objects.order_by("pk").values_list("size_bytes", flat=True)
    assert list(sizes) == [len(LARGE), 20]
    use = room.use_of(project.owner_id)
    assert (use.documents, use.stored_bytes, use.stored_megabytes) == (2, len(LARGE) + 20, 1)


def test_a_user_without_documents_uses_nothing(project: Project) -> None:
    rows.document(project=rows.project(owner="emily"), size_bytes=9)
    use = room.use_of(project.owner_id)
    assert (use.documents, use.stored_bytes, use.stored_megabytes) == (0, 0, 0)


def test_any_deletion_makes_room(jane: Writer, project: Project, settings: Settings) -> None:
    settings.QUOTA_DOCUMENTS = 1
    for delete in (
        lambda document: jane.delete(f"/api/documents/{document.pk}/"),
        lambda document: document.delete(),
        lambda document: Document.objects.all().delete(),
    ):
        assert upload(jane, project).status_code == 201
        assert upload(jane, project).status_code == 413
        delete(Document.objects.get())
    other = Project.objects.create(owner=jane.user, name="Other")
    assert upload(jane, other).status_code == 201
    assert upload(jane, project).status_code == 413
    other.delete()
    assert upload(jane, project).status_code == 201


# --- The API -------------------------------------------------------------------------------------


@pytest.mark.parametrize("add", [upload, paste])
def test_a_document_too_many_is_refused_in_a_sentence(
    jane: Writer, project: Project, settings: Settings, add: Callable[..., Any]
) -> None:
    settings.QUOTA_DOCUMENTS = 2
    assert [add(jane, project).status_code for _ in range(3)] == [201, 201, 413]
    answer = add(jane, project)
    assert answer.json() == {
        "detail": "You have 2 of 2 documents. Delete a document, or ask an administrator for more."
    }
    assert "Retry-After" not in answer.headers
    assert (Document.objects.count(), Manuscript.objects.count()) == (2, 2)


@pytest.mark.parametrize("add", [upload, paste])
def test_bytes_too_many_are_refused_in_a_sentence(
    jane: Writer, project: Project, settings: Settings, add: Callable[..., Any]
) -> None:
    settings.QUOTA_STORED_MEGABYTES = 1
    content: Any = LARGE if add is upload else LARGE.decode()
    assert add(jane, project, content).status_code == 201
    answer = add(jane, project, content)
    needed = "at least 0.5 MB" if add is upload else "0.5 MB"
    assert answer.status_code == 413
    assert answer.json() == {
        "detail": f"You have 0.5 of 1 MB, and this text needs {needed}. "
        "Delete a document, or ask an administrator for more."
    }
    assert add(jane, project).status_code == 201
    assert Document.objects.count() == 2


def test_a_text_that_fits_exactly_is_taken(project: Project, settings: Settings) -> None:
    settings.QUOTA_STORED_MEGABYTES = 1
    rows.document(project=project, size_bytes=MEGABYTE - len(TEXT))
    DocumentService.create(project=project, title="Emma", text=TEXT)
    with pytest.raises(NoRoomError):
        DocumentService.create(project=project, title="Emma", text="a")


def test_a_body_without_room_is_refused_before_it_is_parsed(
    jane: Writer, project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.QUOTA_STORED_MEGABYTES = 1
    rows.document(project=project, size_bytes=MEGABYTE)

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("the body was parsed")

    monkeypatch.setattr("rest_framework.parsers.MultiPartParser.parse", fail)
    assert upload(jane, project, LARGE).status_code == 413
    settings.QUOTA_STORED_MEGABYTES, settings.QUOTA_DOCUMENTS = 0, 1
    assert upload(jane, project, LARGE).status_code == 413


def test_an_editor_without_room_adds_to_the_project_of_an_owner_who_has_some(
    jane: Writer, project: Project, settings: Settings
) -> None:
    shared = rows.project(owner="emily")
    Membership.objects.create(project=shared, user=jane.user, role=Role.EDITOR)
    rows.document(project=project)
    settings.QUOTA_DOCUMENTS = 1
    assert upload(jane, project, LARGE).status_code == 413
    assert upload(jane, shared, LARGE).status_code == 201
    answer = upload(jane, shared, LARGE)
    assert answer.status_code == 413
    assert upload(jane, shared).json()["detail"].startswith("The owner of this project has 1 of 1 documents.")


def test_a_file_without_room_is_refused_before_it_is_read(project: Project, settings: Settings, unread: None) -> None:
    settings.QUOTA_DOCUMENTS = 1
    rows.document(project=project)
    with pytest.raises(NoRoomError):
        DocumentService.create(project=project, title="Emma", data=LARGE, filename="emma.txt", sender_id=1)
    assert not Meter.objects.exists()


def test_uploads_too_fast_are_refused_before_they_are_read(
    jane: Writer, project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 2
    assert [upload(jane, project).status_code for _ in range(2)] == [201, 201]
    monkeypatch.setattr("rest_framework.parsers.MultiPartParser.parse", None)
    answer = upload(jane, project, LARGE)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert answer.json()["detail"].startswith("You have added 2 documents within a minute")


def test_files_that_cannot_be_read_count_to_the_rate(project: Project, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 2
    for error in (UnreadableTextError, UnreadableTextError, NotNowError):
        with pytest.raises(error):
            DocumentService.create(
                project=project, title="x", data=b"%PDF-1.7", filename="x.pdf", sender_id=project.owner_id
            )


def test_a_user_who_adds_to_the_project_of_another_reads_no_figures_as_their_own(
    project: Project, settings: Settings
) -> None:
    settings.QUOTA_DOCUMENTS = 1
    rows.document(project=project)
    editor = User.objects.create_user("emily")
    with pytest.raises(NoRoomError, match=r"The owner of this project has 1 of 1 documents\. Documents have to be"):
        DocumentService.create(project=project, title="x", text=TEXT, sender_id=editor.pk)


def test_uploads_count_to_their_sender_and_bytes_to_the_owner(project: Project, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 1
    editor = User.objects.create_user("emily")
    DocumentService.create(project=project, title="x", text=TEXT, sender_id=editor.pk)
    DocumentService.create(project=project, title="x", text=TEXT, sender_id=project.owner_id)
    assert room.use_of(project.owner_id).documents == 2
    assert room.use_of(editor.pk).documents == 0


def test_an_allowance_makes_room(jane: Writer, project: Project, settings: Settings) -> None:
    settings.QUOTA_DOCUMENTS = 0
    allowance = Allowance.objects.create(user=jane.user, documents=1)
    assert [upload(jane, project).status_code for _ in range(2)] == [201, 413]
    Allowance.objects.filter(pk=allowance.pk).update(documents=2)
    assert upload(jane, project).status_code == 201


def test_staff_and_superusers_have_the_same_quotas(project: Project, settings: Settings) -> None:
    settings.QUOTA_DOCUMENTS = 1
    User.objects.update(is_staff=True, is_superuser=True)
    DocumentService.create(project=project, title="x", text=TEXT)
    with pytest.raises(NoRoomError):
        DocumentService.create(project=project, title="x", text=TEXT)


def test_without_quotas_all_is_taken(jane: Writer, project: Project, settings: Settings) -> None:
    settings.QUOTA_DOCUMENTS = settings.QUOTA_STORED_MEGABYTES = settings.QUOTA_UPLOADS_A_MINUTE = 0
    assert {upload(jane, project).status_code for _ in range(5)} == {201}
    assert {paste(jane, project).status_code for _ in range(5)} == {201}


def test_a_rename_costs_nothing(jane: Writer, project: Project, settings: Settings) -> None:
    document = rows.document(project=project)
    settings.QUOTA_DOCUMENTS = settings.QUOTA_UPLOADS_A_MINUTE = 1
    for _ in range(3):
        assert jane.patch(f"/api/documents/{document.pk}/", {"title": "Emma"}).status_code == 200


def test_reading_documents_asks_for_no_quota(jane: Writer, project: Project) -> None:
    document = rows.document(project=project)
    for address in ("/api/documents/", f"/api/documents/{document.pk}/", "/api/projects/", "/api/tasks/"):
        with CaptureQueriesContext(connection) as queries:
            assert jane.get(address).status_code == 200
        sql = " ".join(query["sql"] for query in queries.captured_queries)
        assert "allowance" not in sql
        assert "meter" not in sql


# --- At once -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["file", "pasted text"])
def test_uploads_at_once_do_not_pass_the_documents(settings: Settings, kind: str) -> None:
    settings.QUOTA_DOCUMENTS = 3
    projects = [rows.project(f"Novel {number}") for number in range(2)]

    def add(number: int) -> bool:
        content: dict[str, Any] = {"text": TEXT} if kind == "pasted text" else {"data": LARGE, "filename": "emma.txt"}
        try:
            DocumentService.create(
                project=projects[number % 2], title="Emma", sender_id=projects[0].owner_id, **content
            )
        except QuotaError:
            return False
        return True

    assert sum(at_once(add, times=6)) == 3
    assert (Document.objects.count(), Manuscript.objects.count()) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_uploads_at_once_do_not_pass_the_bytes(settings: Settings) -> None:
    settings.QUOTA_STORED_MEGABYTES = 1
    project = rows.project()

    def add(_: int) -> bool:
        try:
            DocumentService.create(project=project, title="Emma", data=LARGE, filename="emma.txt")
        except NoRoomError:
            return False
        return True

    assert sum(at_once(add, times=4)) == 1
    assert room.use_of(project.owner_id).stored_bytes == len(LARGE)


@pytest.mark.django_db(transaction=True)
def test_room_that_is_taken_while_a_file_is_read_leaves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.core.models import StoredFile

    settings.QUOTA_DOCUMENTS = 1
    project = rows.project()
    check = readers.check

    def slow_check(*arguments: Any, **options: Any) -> None:
        check(*arguments, **options)
        rows.document(project=project)

    monkeypatch.setattr(readers, "check", slow_check)
    with pytest.raises(NoRoomError):
        DocumentService.create(project=project, title="Emma", data=LARGE, filename="emma.txt")
    assert (Document.objects.count(), Manuscript.objects.count(), StoredFile.objects.count()) == (1, 0, 0)


# --- The admin -----------------------------------------------------------------------------------


def test_the_admin_refuses_a_document_too_many_beside_the_text(
    admin_client: Client, project: Project, settings: Settings
) -> None:
    settings.QUOTA_DOCUMENTS = 1
    form = {"project": project.pk, "title": "Emma", "text": TEXT, "expires_at_0": "", "expires_at_1": ""}
    assert admin_client.post(reverse("admin:documents_document_add"), form).status_code == 302
    response = admin_client.post(reverse("admin:documents_document_add"), form)
    assert response.status_code == 200
    assert "The owner of this project has 1 of 1 documents." in response.content.decode()
    assert Document.objects.count() == 1


# --- Documents of earlier versions ---------------------------------------------------------------


def test_the_migration_measures_the_manuscripts_that_are_there(project: Project) -> None:
    DocumentService.create(project=project, title="file", data=LARGE, filename="emma.txt")
    DocumentService.create(project=project, title="pasted", text="é" * 10)
    lost = DocumentService.create(project=project, title="lost", data=LARGE, filename="emma.txt")
    Manuscript.objects.filter(document=lost).update(file="manuscripts/gone.txt")
    rows.document("without", project=project)
    Document.objects.update(size_bytes=0)

    importlib.import_module("apps.documents.migrations.0002_size_of_manuscripts").measure(apps, None)

    sizes = dict(Document.objects.values_list("title", "size_bytes"))
    assert sizes == {"file": len(LARGE), "pasted": 20, "lost": 0, "without": 0}
