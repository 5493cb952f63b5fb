"""The writer chooses an encoding that cannot be told."""

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from apps.accounts.quotas.errors import NotNowError
from apps.documents import tasks
from apps.documents.models import Analysis, Document, Manuscript
from apps.documents.readers import encodings
from apps.documents.readers.previews import Reading
from apps.documents.services.document_service import DocumentService
from apps.documents.services.encoding import UnknownEncodingError
from apps.documents.services.processing import ManuscriptChangedError
from apps.projects.models import Membership, Project, Role
from apps.tasks.models import TaskStatus
from tests import rows
from tests.clients import Writer, writer

pytestmark = pytest.mark.django_db

#: One byte is beyond ASCII. On an old PC it is "å", on an old Mac "Ü".
DANISH = "Regnen var ikke holdt op siden morgen, og gaden under vinduet var blevet en å.\n".encode("cp850")


def upload(project: Project, filename: str = "novel.txt", data: bytes = DANISH) -> Document:
    return DocumentService.create(project=project, title="Regn", data=data, filename=filename)


@pytest.fixture(autouse=True)
def two_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no old encoding be told."""
    monkeypatch.setattr(encodings, "candidates", lambda data: ["mac_roman", "cp437"])


@pytest.fixture
def undecided(project: Project) -> Document:
    return upload(project)


def encodings_of(document: Document) -> list[str]:
    return [reading["encoding"] for reading in DocumentService.readings_of(document)[0]]


def longest_sentence(document: Document) -> str:
    return str((Analysis.objects.get(document=document).longest_sentences or [{}])[0].get("text"))


def run(document: Document) -> dict[str, Any]:
    """Run the actor of the document, and read the document again."""
    result: dict[str, Any] = tasks.process_document(document.pk)
    document.refresh_from_db()
    return result


def test_an_upload_in_several_possible_encodings_is_stored_and_undecided(undecided: Document) -> None:
    readings, chosen = DocumentService.readings_of(undecided)

    assert (undecided.status, chosen) == ("undecided", "")
    assert 2 <= len(readings) <= 3
    assert any("blevet en å." in reading["preview"] for reading in readings)
    assert undecided.manuscript.file.read() == DANISH


def test_a_file_whose_encoding_can_be_told_asks_nothing(project: Project) -> None:
    document = upload(project, data="Une forêt, un élève.".encode())

    assert (document.status, DocumentService.readings_of(document)) == ("draft", ([], ""))


def test_the_choice_is_stored_and_processing_goes_on(undecided: Document) -> None:
    task_id = DocumentService.choose_encoding(undecided, encoding="cp437", owner_id=None)

    undecided.refresh_from_db()
    assert undecided.status == "processing"
    assert TaskStatus.objects.get().task_id == task_id
    assert run(undecided)["words"] == 15
    assert (undecided.status, undecided.manuscript.encoding) == ("processed", "cp437")
    assert longest_sentence(undecided).endswith("blevet en å.")


def test_another_choice_is_possible_afterwards(undecided: Document) -> None:
    for encoding, end in (("mac_roman", "Ü."), ("cp437", "å.")):
        DocumentService.choose_encoding(undecided, encoding=encoding, owner_id=None)
        run(undecided)
        TaskStatus.objects.all().delete()
        assert longest_sentence(undecided).endswith(end)


@pytest.mark.parametrize("encoding", ["", "cp1252", "idna", "zlib", "\x00", "x" * 100_000])
def test_only_an_offered_encoding_is_taken(undecided: Document, encoding: str) -> None:
    with pytest.raises(UnknownEncodingError, match=r"Choose one of: .*cp437"):
        DocumentService.choose_encoding(undecided, encoding=encoding, owner_id=None)
    assert not TaskStatus.objects.exists()
    assert DocumentService.readings_of(undecided)[1] == ""


def test_a_choice_beyond_the_quota_leaves_nothing(undecided: Document, settings: Any) -> None:
    settings.QUOTA_TASKS = 1
    owner = undecided.project.owner
    rows.task(owner=owner)
    with pytest.raises(NotNowError):
        DocumentService.choose_encoding(undecided, encoding="cp437", owner_id=owner.pk)
    undecided.refresh_from_db()
    assert (undecided.status, DocumentService.readings_of(undecided)[1]) == ("undecided", "")


@pytest.mark.parametrize("filename", ["novel.html", "novel.md", "novel.txt"])
def test_processing_asks_where_the_upload_did_not(project: Project, filename: str) -> None:
    document = upload(project, filename, b"Some words.")
    document.manuscript.file.save(filename, ContentFile(DANISH))
    DocumentService.start_processing(document, owner_id=None)

    assert run(document)["note"] == "The writer chooses how the text reads."
    assert (document.status, document.error_message) == ("undecided", "")
    DocumentService.choose_encoding(document, encoding=encodings_of(document)[-1], owner_id=None)
    run(document)
    assert document.status == "processed"


def test_a_choice_during_processing_is_not_asked_again(undecided: Document) -> None:
    readings = [Reading(encoding=name, preview="å") for name in ("cp437", "cp865")]
    DocumentService.choose_encoding(undecided, encoding="cp437", owner_id=None)

    assert not DocumentService.ask_for_encoding(undecided.pk, readings)
    assert Document.objects.get(pk=undecided.pk).status == "processing"


def test_a_task_that_read_without_the_choice_is_retried(undecided: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DocumentService, "ask_for_encoding", lambda document_id, readings: False)
    with pytest.raises(ManuscriptChangedError):
        tasks.process_document(undecided.pk)


def test_the_drafts_of_a_project_start_without_it(undecided: Document) -> None:
    upload(undecided.project, data=b"Some words.")

    assert DocumentService.start_drafts(undecided.project_id) == 1


def test_a_document_that_says_processing_after_it_asked_says_so_again(undecided: Document) -> None:
    Document.objects.update(status="processing")
    rows.task(about=undecided, status="completed")
    undecided.refresh_from_db()

    assert DocumentService.settle(undecided).status == "undecided"


def test_a_document_that_can_be_read_after_all_asks_no_longer(undecided: Document) -> None:
    undecided.manuscript.file.save("novel.txt", ContentFile("En å.".encode()))
    run(undecided)

    assert undecided.status == "processed"
    assert DocumentService.readings_of(undecided) == ([], "")


# --- The API ---


def test_the_api_shows_the_readings_and_takes_a_choice(jane: Writer, undecided: Document) -> None:
    address = reverse("document-encoding", args=[undecided.pk])
    answer = jane.get(address).json()
    assert (answer["encoding"], answer["readings"][0].keys()) == ("", {"encoding", "preview"})
    assert jane.get(reverse("document-detail", args=[undecided.pk])).json()["status"] == "undecided"

    taken = jane.post(address, {"encoding": "cp437"})

    assert taken.status_code == 202
    assert TaskStatus.objects.get().task_id == taken.json()["task_id"]
    assert jane.get(address).json()["encoding"] == "cp437"


@pytest.mark.parametrize("body", [{}, {"encoding": ""}, {"encoding": "idna"}, {"encoding": [1]}, {"encoding": None}])
def test_the_api_refuses_what_is_not_offered(jane: Writer, undecided: Document, body: dict[str, Any]) -> None:
    answer = jane.post(reverse("document-encoding", args=[undecided.pk]), body, format="json")

    assert (answer.status_code, [*answer.json()]) == (400, ["encoding"])
    assert not TaskStatus.objects.exists()


def test_a_text_whose_encoding_is_known_has_no_readings(jane: Writer, project: Project) -> None:
    address = reverse("document-encoding", args=[upload(project, data=b"Some words.").pk])

    assert jane.get(address).json() == {"encoding": "", "readings": []}
    assert jane.post(address, {"encoding": "cp437"}).json() == {
        "encoding": ["The encoding of this text is no question."]
    }


def test_a_reader_sees_the_readings_and_chooses_none(undecided: Document) -> None:
    rosa = writer("rosa")
    Membership.objects.create(project=undecided.project, user=rosa.user, role=Role.READER)
    address = reverse("document-encoding", args=[undecided.pk])

    assert rosa.get(address).status_code == 200
    assert rosa.post(address, {"encoding": "cp437"}).status_code == 403
    assert Manuscript.objects.get().encoding == ""
