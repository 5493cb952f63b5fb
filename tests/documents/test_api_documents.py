"""Documents through the API."""

import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from apps.documents import readers, views
from apps.documents.models import Analysis, Chapter, Document, Manuscript
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests import manuscripts
from tests.clients import Writer, writer
from tests.web import TIMEOUT_SECONDS, serving
from workers.broker import LedgerBroker
from workers.relay import Relay

pytestmark = pytest.mark.django_db

TEXT = "Chapter 1\n\nEmma Woodhouse, handsome, clever, and rich.\n\nChapter 2\n\nShe was the youngest."

#: Two chapters with 16 words, five of them spoken.
RAIN = "\n\n".join(
    f"Chapter {number}\n\n" + "“The rain never stops here,” said she. It went on and on over the grey roofs.\n\n" * 10
    for number in (1, 2)
)

FORM = '--x\r\nContent-Disposition: form-data; name="project"\r\n\r\n1\r\n--x--'


@pytest.fixture
def document(project: Project) -> Document:
    return DocumentService.create(project=project, title="Emma, volume one", text=TEXT)


def upload(client: Writer, data: bytes, *, filename: str = "emma.txt", **fields: Any) -> Any:
    file = SimpleUploadedFile(filename, data, content_type="text/plain")
    return client.post("/api/documents/", {"file": file, **fields}, format="multipart")


def post_raw(client: Writer, path: str, body: str | bytes, content_type: str = "application/json") -> Any:
    return client.post(path, body, content_type=content_type)


def nothing_was_stored() -> bool:
    return not (Document.objects.exists() or Manuscript.objects.exists() or TaskStatus.objects.exists())


# --- Creating ---


def test_an_uploaded_file_becomes_a_draft(jane: Writer, project: Project) -> None:
    response = upload(jane, TEXT.encode(), project=project.pk, title="Emma, volume one")

    assert response.status_code == 201
    document = Document.objects.select_related("manuscript").get()
    answer = response.json()
    assert answer.pop("created_at")
    assert answer.pop("updated_at")
    assert answer == {
        "id": document.pk,
        "project": project.pk,
        "title": "Emma, volume one",
        "status": "draft",
        "error_message": "",
        "analysis": None,
    }
    assert (document.manuscript.file.read(), document.manuscript.filename) == (TEXT.encode(), "emma.txt")
    assert not TaskStatus.objects.exists()


def test_a_pasted_text_becomes_a_draft(jane: Writer, project: Project) -> None:
    response = jane.post("/api/documents/", {"project": project.pk, "title": "Emma", "text": TEXT})

    assert (response.status_code, response.json()["status"]) == (201, "draft")
    assert Manuscript.objects.values_list("text", "filename").get() == (TEXT, "")


def test_a_text_may_come_as_a_form_too(jane: Writer, project: Project) -> None:
    fields = {"project": project.pk, "title": "Emma", "text": TEXT}

    assert jane.post("/api/documents/", fields, format="multipart").status_code == 201
    assert Manuscript.objects.get().text.split() == TEXT.split()


def test_a_file_that_cannot_be_read_at_once_is_to_be_sent_again(
    jane: Writer, project: Project, busy_readers: None
) -> None:
    response = upload(jane, manuscripts.pdf(b""), filename="a.pdf", project=project.pk)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json()["detail"].endswith("Send this one again in a few seconds.")
    assert nothing_was_stored()


@pytest.mark.parametrize("fields", [{}, {"title": ""}, {"title": "  "}], ids=repr)
def test_a_file_without_a_title_is_called_by_its_name(jane: Writer, project: Project, fields: dict[str, str]) -> None:
    assert upload(jane, b"Some words.", filename="volume-one.txt", project=project.pk, **fields).status_code == 201
    assert Document.objects.get().title == "volume-one.txt"


def test_a_long_file_name_makes_a_title_that_fits(jane: Writer, project: Project) -> None:
    assert upload(jane, b"Some words.", filename="x" * 240 + ".txt", project=project.pk).status_code == 201
    assert Document.objects.get().title == "x" * 200


def test_invisible_nuls_in_a_pasted_text_are_dropped(jane: Writer, project: Project) -> None:
    body = json.dumps({"project": project.pk, "title": "Emma", "text": "Some\x00 words \ud83d."})

    assert post_raw(jane, "/api/documents/", body).status_code == 201
    assert Manuscript.objects.get().text == "Some words \ufffd."


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"title": "Emma"}, "non_field_errors"),
        ({"title": "Emma", "text": TEXT, "file": "emma.txt"}, "file"),
        ({"title": "Emma", "file": None}, "file"),
        ({"title": "Emma", "text": None}, "text"),
        ({"title": "Emma", "text": ["Some words."]}, "text"),
        ({"title": "Emma", "text": {"a": 1}}, "text"),
        ({"title": "Emma", "text": True}, "text"),
        ({"title": "Emma", "text": ""}, "text"),
        ({"title": "Emma", "text": " \n\t "}, "text"),
        ({"title": "Emma", "text": "\x00\x00"}, "text"),
        ({"title": "Emma", "text": "... --- ..."}, "text"),
        ({"text": TEXT}, "title"),
        ({"text": TEXT, "title": ""}, "title"),
        ({"text": TEXT, "title": None}, "title"),
        ({"text": TEXT, "title": "nul\x00"}, "title"),
        ({"text": TEXT, "title": "half \ud83d"}, "title"),
        ({"text": TEXT, "title": "x" * 201}, "title"),
        ({"text": TEXT, "title": "x" * 1_000_000}, "title"),
        ({"text": TEXT, "title": ["Emma"]}, "title"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_value_that_cannot_be_stored_is_refused_by_its_name(
    jane: Writer, project: Project, fields: dict[str, Any], complaint: str
) -> None:
    response = post_raw(jane, "/api/documents/", json.dumps({"project": project.pk, **fields}))

    assert response.status_code == 400
    assert list(response.json()) == [complaint]
    assert nothing_was_stored()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n\n ",
        b"\x00\x01\x02\x03" * 500,
        bytes(range(256)) * 20,
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        b"PK\x03\x04" + b"\x00" * 100,
        b"\xff\xfe\x00\xd8\x00\xd8",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_file_that_is_no_text_is_refused_in_words(jane: Writer, project: Project, data: bytes) -> None:
    response = upload(jane, data, project=project.pk, title="Emma")

    assert response.status_code == 400
    (sentence,) = response.json()["file"]
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    assert nothing_was_stored()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Naïve café, “quoted” — and so on."),
        ("utf-8-sig", "Naïve café, “quoted” — and so on."),
        ("utf-16", "Naïve café, “quoted” — and so on."),
        ("cp1252", "Naïve café, “quoted” — and so on. " * 20),
    ],
)
def test_a_file_in_another_encoding_is_kept_as_it_is(jane: Writer, project: Project, encoding: str, text: str) -> None:
    assert upload(jane, text.encode(encoding), project=project.pk).status_code == 201
    assert Manuscript.objects.get().file.read() == text.encode(encoding)


def test_a_file_and_a_text_are_one_too_many(jane: Writer, project: Project) -> None:
    response = upload(jane, TEXT.encode(), project=project.pk, title="Emma", text=TEXT)

    assert response.status_code == 400
    assert "one of the two" in response.json()["non_field_errors"][0]
    assert nothing_was_stored()


# --- Sizes ---


def test_a_file_over_the_limit_is_refused_with_both_sizes(jane: Writer, project: Project, settings: Settings) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 1_000

    response = upload(jane, b"words " * 200, project=project.pk, title="Emma")

    assert response.status_code == 413
    assert "1,200 bytes" in response.json()["detail"]
    assert "1,000 bytes" in response.json()["detail"]
    assert nothing_was_stored()


def test_a_file_over_the_limit_is_not_read(
    jane: Writer, project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 1_000
    read: list[str] = []
    monkeypatch.setattr(readers, "check", lambda *arguments, **fields: read.append("check"))

    assert upload(jane, b"words " * 200, project=project.pk).status_code == 413
    assert read == []


def test_a_file_far_over_the_limit_is_refused_by_its_length_alone(
    jane: Writer, project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 1_000
    parsed: list[str] = []
    monkeypatch.setattr("django.http.multipartparser.MultiPartParser.parse", lambda self: parsed.append("parse"))

    response = upload(jane, b"words " * 20_000, project=project.pk, title="Emma")

    assert response.status_code == 413
    assert "1,000 bytes" in response.json()["detail"]
    assert parsed == []
    assert nothing_was_stored()


def test_a_file_of_just_the_limit_is_taken(jane: Writer, project: Project, settings: Settings) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 1_200

    assert upload(jane, b"words " * 200, project=project.pk).status_code == 201


def test_a_pasted_text_over_the_limit_is_refused_with_both_sizes(
    jane: Writer, project: Project, settings: Settings
) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 1_000

    response = jane.post("/api/documents/", {"project": project.pk, "title": "Emma", "text": "words " * 200})

    assert response.status_code == 413
    assert "1,200 bytes" in response.json()["detail"]
    assert "1,000 bytes" in response.json()["detail"]
    assert nothing_was_stored()


@pytest.mark.parametrize(
    ("format", "limit"), [("json", "DOCUMENT_MAX_UPLOAD_BYTES"), ("multipart", "DATA_UPLOAD_MAX_MEMORY_SIZE")]
)
def test_a_body_over_the_limit_of_its_kind_is_refused(
    jane: Writer, project: Project, settings: Settings, format: str, limit: str
) -> None:
    setattr(settings, limit, 1_000)

    fields = {"project": project.pk, "title": "Emma", "text": "words " * 20_000}
    response = jane.post("/api/documents/", fields, format=format)

    assert response.status_code == 413
    assert response.json().keys() == {"detail"}
    assert nothing_was_stored()


def test_a_text_of_letters_that_json_escapes_is_taken_up_to_its_own_size(
    jane: Writer, project: Project, settings: Settings
) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 200_000
    text = "ж" * 100_000

    body = json.dumps({"project": project.pk, "title": "Emma", "text": text})
    response = jane.post("/api/documents/", body, content_type="application/json")

    assert len(body) > 600_000
    assert response.status_code == 201


def test_a_form_with_too_many_fields_is_refused(jane: Writer, project: Project) -> None:
    fields = {f"field{number}": "x" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)}

    response = jane.post("/api/documents/", fields, format="multipart")

    assert (response.status_code, response.json().keys()) == (400, {"detail"})


# --- Bodies ---


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("{", "application/json"),
        ("", "application/json"),
        ("null", "application/json"),
        ("[]", "application/json"),
        ('"text"', "application/json"),
        ("1e400", "application/json"),
        ('{"project": NaN}', "application/json"),
        ('{"project": ' + "9" * 5000 + "}", "application/json"),
        ("[" * 100_000, "application/json"),
        ('{"a":' * 100_000, "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b'{"title": "caf\xe9"}', "application/json"),
        ("{}", "application/json; charset=hex"),
        ("{}", "application/json; charset=bogus"),
        ("nonsense", "multipart/form-data"),
        ("nonsense", "multipart/form-data; boundary=x"),
        ("--x\r\nnonsense", "multipart/form-data; boundary=x"),
        ("nonsense", 'multipart/form-data; boundary="\xe9"'),
        (FORM, "multipart/form-data; boundary=x; charset=hex"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_broken_body_is_refused(jane: Writer, body: str | bytes, content_type: str) -> None:
    response = post_raw(jane, "/api/documents/", body, content_type)

    assert response.status_code == 400
    assert isinstance(response.json(), dict)
    assert nothing_was_stored()


@pytest.mark.parametrize("values", ["[]," * 65_600 + "0", ",".join(['""'] * 65_600), '{"a":' * 65_600])
def test_a_body_of_many_values_is_refused_before_it_takes_memory(jane: Writer, values: str) -> None:
    """Thirty megabytes of them took eight hundred of memory."""
    response = post_raw(jane, "/api/documents/", f'{{"text": [{values}]}}')

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "JSON parse error - it has more than 65,536 values."},
    )


def test_a_text_in_escaped_letters_may_be_as_large_as_any_other(
    jane: Writer, project: Project, settings: Settings
) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    body = json.dumps({"project": project.pk, "title": "Emma", "text": "дом " * 10_000})
    assert len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    assert post_raw(jane, "/api/documents/", body).status_code == 201


def test_the_marks_within_a_text_are_no_values(jane: Writer, project: Project) -> None:
    text = 'He said, "No, [never] \\, {ever}." ' * 30_000
    body = json.dumps({"project": project.pk, "title": "Emma", "text": text})

    assert post_raw(jane, "/api/documents/", body).status_code == 201
    assert Manuscript.objects.get().text == text


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "?",
        f"multipart/form-data; boundary={'x' * 500}",
    ],
    ids=lambda content_type: content_type[:40],
)
def test_a_body_in_an_unknown_format_is_refused(jane: Writer, content_type: str) -> None:
    assert post_raw(jane, "/api/documents/", "<title>Emma</title>", content_type).status_code == 415


# --- Whose it is ---


@pytest.mark.parametrize(
    "pk",
    [None, "", "abc", 1.5, True, [1], {"id": 1}, -1, 2**63, 10**30, "1e3", "9" * 2000],
    ids=lambda pk: repr(pk)[:20],
)
def test_a_project_that_cannot_be_is_refused(jane: Writer, project: Project, pk: Any) -> None:
    response = jane.post("/api/documents/", {"project": pk, "title": "Emma", "text": TEXT})

    assert (response.status_code, list(response.json())) == (400, ["project"])
    assert nothing_was_stored()


def test_another_users_project_is_answered_like_a_missing_one(jane: Writer, emily: Writer, project: Project) -> None:
    theirs = emily.post("/api/documents/", {"project": project.pk, "title": "Mine", "text": TEXT})
    missing = emily.post("/api/documents/", {"project": project.pk + 1, "title": "Mine", "text": TEXT})

    assert theirs.status_code == missing.status_code == 400
    assert theirs.json() == {"project": [f"No such project: {project.pk}."]}
    assert missing.json() == {"project": [f"No such project: {project.pk + 1}."]}
    assert nothing_was_stored()


@pytest.mark.parametrize("is_staff", [False, True])
@pytest.mark.parametrize(
    ("method", "suffix"),
    [("get", ""), ("get", "file/"), ("patch", ""), ("delete", ""), ("post", "process/")],
    ids=str,
)
def test_another_users_document_is_not_found(document: Document, method: str, suffix: str, is_staff: bool) -> None:
    other = writer("other", is_staff=is_staff)

    theirs = getattr(other, method)(f"/api/documents/{document.pk}/{suffix}", {"title": "Taken"})
    missing = getattr(other, method)(f"/api/documents/{document.pk + 1}/{suffix}", {"title": "Taken"})

    assert theirs.status_code == missing.status_code == 404
    assert theirs.json() == missing.json()
    assert other.get("/api/documents/").json()["results"] == []
    assert Document.objects.get().title == "Emma, volume one"
    assert not TaskStatus.objects.exists()


# --- Reading ---


#: Figures of a text that was processed before they existed.
NOT_KNOWN = {
    "unit": "word", "language": None, "reading_ease": None, "grade_level": None, "dialogue_share": None,
    "readability_note": "Process it again to see how easy it is to read.",
    "dialogue_note": "Process it again to see how much is spoken.",
}  # fmt: skip
NOT_LISTED = {"keywords_note": "", "keywords": None, "longest_sentences": None, "repeated_phrases": None}


def processed(document: Document, *, chapters: int) -> Document:
    Document.objects.filter(pk=document.pk).update(status="processed")
    Analysis.objects.create(document=document, words=20 * chapters, sentences=2 * chapters, reading_minutes=0.5)
    Chapter.objects.bulk_create(
        Chapter(document=document, position=n, title=f"Chapter {n}", words=20, sentences=2, reading_minutes=0.09)
        for n in range(1, chapters + 1)
    )
    return document


def test_a_processed_document_comes_with_all_that_was_found(jane: Writer, document: Document) -> None:
    processed(document, chapters=3)

    answer = jane.get(f"/api/documents/{document.pk}/").json()

    assert answer["status"] == "processed"
    chapters = answer["analysis"].pop("chapters")
    whole = {"words": 60, "sentences": 6, "reading_minutes": 0.5}
    assert answer["analysis"] == {**whole, **NOT_KNOWN, **NOT_LISTED}
    assert [chapter["position"] for chapter in chapters] == [1, 2, 3]
    first = {"position": 1, "title": "Chapter 1", "words": 20, "sentences": 2, "reading_minutes": 0.09}
    assert chapters[0] == {**first, **NOT_KNOWN, **NOT_LISTED}


def test_all_figures_of_the_whole_and_of_each_chapter_are_shown(jane: Writer, project: Project) -> None:
    document = DocumentService.create(project=project, title="Rain", text=RAIN)
    DocumentService.process_document(document)

    found = jane.get(f"/api/documents/{document.pk}/").json()["analysis"]

    assert (found["language"], found["dialogue_share"]) == ("en", 0.3125)
    assert found["reading_ease"] is not None
    assert found["grade_level"] is not None
    assert "Flesch, 1948" in found["readability_note"]
    assert found["dialogue_note"] == ""
    assert found["keywords"][0] == {"text": "rain", "count": 20}
    assert found["longest_sentences"][0] == {"text": "It went on and on over the grey roofs.", "words": 9}
    # With the same count as the other one.
    assert {"text": "and on over the grey roofs", "count": 20} in found["repeated_phrases"]
    chapters = found.pop("chapters")
    assert [set(chapter) for chapter in chapters] == [set(found) | {"position", "title"}] * 2
    assert chapters[0]["keywords"][0] == {"text": "rain", "count": 10}


def test_very_many_chapters_come_in_pages(jane: Writer, emily: Writer, document: Document) -> None:
    processed(document, chapters=1_003)
    address = f"/api/documents/{document.pk}/"

    answer = jane.get(address)

    assert [chapter["position"] for chapter in answer.json()["analysis"]["chapters"]] == list(range(1, 101))
    assert answer["Link"] == f'<http://testserver{address}chapters/?page=2&page_size=100>; rel="next"'
    assert len(jane.patch(address, {"title": "New"}).json()["analysis"]["chapters"]) == 100
    rest = jane.get(f"{address}chapters/?page=2&page_size=100").json()
    assert rest["count"] == 1_003
    assert [chapter["position"] for chapter in rest["results"]] == list(range(101, 201))
    assert len(jane.get(f"{address}chapters/?page_size=5000").json()["results"]) == 200
    assert emily.get(f"{address}chapters/").status_code == 404


def test_all_chapters_of_a_novel_come_with_it(jane: Writer, document: Document) -> None:
    processed(document, chapters=100)

    answer = jane.get(f"/api/documents/{document.pk}/")

    assert len(answer.json()["analysis"]["chapters"]) == 100
    assert not answer.has_header("Link")


def test_a_list_tells_the_figures_without_the_texts(jane: Writer, project: Project) -> None:
    DocumentService.process_document(DocumentService.create(project=project, title="Rain", text=RAIN))

    line = jane.get("/api/documents/").json()["results"][0]["analysis"]

    assert set(line) == {"words", "sentences", "reading_minutes", *NOT_KNOWN}
    assert (line["language"], line["dialogue_share"]) == ("en", 0.3125)


def test_the_manuscript_is_in_no_answer(jane: Writer, document: Document) -> None:
    processed(document, chapters=1)

    for answer in (
        jane.get("/api/documents/"),
        jane.get(f"/api/documents/{document.pk}/"),
        jane.patch(f"/api/documents/{document.pk}/", {"title": "New"}),
    ):
        assert answer.status_code == 200
        assert "handsome" not in answer.content.decode()


def test_one_document_takes_as_many_queries_as_it_has_chapters_or_not(
    jane: Writer, document: Document, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    processed(document, chapters=61)

    jane.get("/api/documents/")  # The token's first use is noted.
    with django_assert_num_queries(3):  # Queries: the user, the document, its chapters.
        jane.get(f"/api/documents/{document.pk}/")


def test_a_list_takes_as_many_queries_however_long_it_is(
    jane: Writer, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        document = DocumentService.create(project=project, title=str(number), text=TEXT)
        if number % 3 == 0:
            processed(document, chapters=5)
        if number % 3 == 1:
            DocumentService.start_processing(document, owner_id=jane.user.pk)

    jane.get("/api/documents/")  # The token's first use is noted.
    with django_assert_num_queries(4):  # Queries: the user, the count, the page, the unfinished tasks.
        answer = jane.get("/api/documents/").json()

    assert answer["count"] == 30
    assert [line["title"] for line in answer["results"]] == [str(number) for number in reversed(range(30))]
    counted = {"words": 100, "sentences": 10, "reading_minutes": 0.5}
    assert answer["results"][-1]["analysis"] == {**counted, **NOT_KNOWN}
    assert answer["results"][0]["analysis"] is None


@pytest.mark.parametrize("suffix", ["", "{pk}/"])
def test_a_document_whose_task_is_gone_does_not_say_processing(jane: Writer, document: Document, suffix: str) -> None:
    task_id = DocumentService.start_processing(document, owner_id=jane.user.pk)
    assert ledger.cancel(task_id)

    answer = jane.get(f"/api/documents/{suffix.format(pk=document.pk)}").json()

    shown = answer if suffix else answer["results"][0]
    assert shown["status"] == "failed"
    assert "start it again" in shown["error_message"]


@pytest.mark.parametrize(
    "pk", ["99999999999999999999999", "-1", "abc", "1.5", "%00", "9" * 5000], ids=lambda pk: pk[:9]
)
@pytest.mark.parametrize(
    ("method", "suffix"), [("get", ""), ("get", "file/"), ("patch", ""), ("delete", ""), ("post", "process/")]
)
def test_an_id_that_cannot_be_is_not_there(jane: Writer, pk: str, method: str, suffix: str) -> None:
    response = getattr(jane, method)(f"/api/documents/{pk}/{suffix}")

    assert (response.status_code, response.json().keys()) == (404, {"detail"})


# --- Changing and deleting ---


def test_the_title_can_be_changed_and_nothing_else(jane: Writer, document: Document) -> None:
    before: dict[str, Any] = {**Document.objects.values().get()}

    changes = {
        "title": "Emma, again",
        "status": "processed",
        "error_message": "x",
        "text": "Other words.",
        "project": 5,
    }
    response = jane.patch(f"/api/documents/{document.pk}/", changes)

    after: dict[str, Any] = {**Document.objects.values().get()}
    assert (response.status_code, response.json()["title"]) == (200, "Emma, again")
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before | {"title": "Emma, again"}
    assert Manuscript.objects.get().text == TEXT


def test_a_change_of_nothing_changes_nothing(jane: Writer, document: Document) -> None:
    before = Document.objects.values().get()

    assert jane.patch(f"/api/documents/{document.pk}/", {"status": "processed"}).status_code == 200
    assert Document.objects.values().get() == before


def test_a_new_title_leaves_the_columns_of_a_worker_alone(
    jane: Writer, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = views.DocumentViewSet.get_object

    def load_then_finish(view: views.DocumentViewSet) -> Document:
        loaded = load(view)
        Document.objects.filter(pk=document.pk).update(status="processed")
        return loaded

    monkeypatch.setattr(views.DocumentViewSet, "get_object", load_then_finish)

    assert jane.patch(f"/api/documents/{document.pk}/", {"title": "New"}).status_code == 200
    assert Document.objects.values_list("title", "status").get() == ("New", "processed")


def test_a_document_goes_with_all_that_belongs_to_it(jane: Writer, document: Document) -> None:
    processed(document, chapters=2)

    assert jane.delete(f"/api/documents/{document.pk}/").status_code == 204
    for model in (Document, Manuscript, Analysis, Chapter):
        assert not model.objects.exists()
    assert jane.get(f"/api/documents/{document.pk}/").status_code == 404


def test_a_document_is_not_replaced(jane: Writer, document: Document) -> None:
    assert jane.put(f"/api/documents/{document.pk}/", {"title": "New"}).status_code == 405


# --- Processing ---


def test_processing_is_started(jane: Writer, document: Document) -> None:
    response = jane.post(f"/api/documents/{document.pk}/process/")

    assert response.status_code == 202
    task = TaskStatus.objects.get()
    assert response.json() == {
        "status": "Document processing started",
        "task_id": task.task_id,
        "task_url": "http://testserver" + reverse("task-detail", args=[task.task_id]),
    }
    assert (task.task_name, task.status, task.owner) == ("documents.process_document", "pending", jane.user)
    assert (task.related_object_type, task.related_object_id) == ("documents.Document", document.pk)
    assert jane.get(f"/api/documents/{document.pk}/").json()["status"] == "processing"
    assert jane.get(response.json()["task_url"]).json()["task_id"] == task.task_id


def test_a_second_start_gives_the_first_ones_task_while_that_is_on_its_way(jane: Writer, document: Document) -> None:
    first = jane.post(f"/api/documents/{document.pk}/process/")
    second = jane.post(f"/api/documents/{document.pk}/process/")

    assert (second.status_code, second.json()) == (202, first.json())
    assert TaskStatus.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_starts_at_the_same_moment_are_one_task(jane: Writer, document: Document) -> None:
    both = threading.Barrier(2)

    def start(port: int) -> dict[str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        with closing(connection):
            both.wait()
            path = f"/api/documents/{document.pk}/process/"
            connection.request("POST", path, headers={"Authorization": f"Token {jane.token}"})
            with connection.getresponse() as response:
                assert response.status == 202
                return dict(json.load(response))

    with serving() as port, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(start, [port, port])

    assert first == second
    assert TaskStatus.objects.get().task_id == first["task_id"]


@pytest.mark.parametrize(("method", "suffix"), [("patch", ""), ("post", "process/")])
def test_a_document_that_is_deleted_at_that_moment_is_not_there(
    jane: Writer, document: Document, monkeypatch: pytest.MonkeyPatch, method: str, suffix: str
) -> None:
    load = views.DocumentViewSet.get_object

    def load_then_delete(view: views.DocumentViewSet) -> Document:
        loaded = load(view)
        Document.objects.all().delete()
        return loaded

    monkeypatch.setattr(views.DocumentViewSet, "get_object", load_then_delete)

    assert getattr(jane, method)(f"/api/documents/{document.pk}/{suffix}", {"title": "New"}).status_code == 404
    assert not TaskStatus.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_project_that_is_deleted_at_that_moment_is_a_conflict(
    jane: Writer, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = DocumentService.create

    def delete_then_create(**fields: Any) -> Document:
        Project.objects.all().delete()
        return create(**fields)

    monkeypatch.setattr(DocumentService, "create", delete_then_create)

    response = jane.post("/api/documents/", {"project": project.pk, "title": "Emma", "text": TEXT})

    assert (response.status_code, response.json().keys()) == (409, {"detail"})
    assert nothing_was_stored()


def test_it_can_be_started_again_when_the_task_has_ended(jane: Writer, document: Document) -> None:
    first = jane.post(f"/api/documents/{document.pk}/process/").json()
    ledger.cancel(first["task_id"])

    second = jane.post(f"/api/documents/{document.pk}/process/")

    assert second.status_code == 202
    assert second.json()["task_id"] != first["task_id"]


@pytest.mark.django_db(transaction=True)
def test_a_start_is_published_when_it_is_committed(
    jane: Writer, document: Document, redis_client: "redis.Redis", broker: LedgerBroker
) -> None:
    jane.post(f"/api/documents/{document.pk}/process/")

    # The documents of users take turns, so a relay gets the name of the line.
    owner = TaskStatus.objects.get().owner_id
    assert broker.wire.take_lines() == [("documents.process_document", str(owner))]
    assert Relay(broker).admit() == 1
    assert redis_client.llen(f"{settings.DRAMATIQ_NAMESPACE}:documents") == 1


@pytest.mark.django_db(transaction=True)
def test_a_start_that_fails_afterwards_leaves_nothing(
    jane: Writer, document: Document, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        assert TaskStatus.objects.count() == 1
        raise RuntimeError("the view fails after the send")

    monkeypatch.setattr(views, "task_started", fail)

    with pytest.raises(RuntimeError, match="after the send"):
        jane.post(f"/api/documents/{document.pk}/process/")

    assert not TaskStatus.objects.exists()
    assert Document.objects.get().status == "draft"
    assert redis_client.keys() == []


@pytest.mark.django_db(transaction=True)
def test_a_start_succeeds_without_redis(jane: Writer, document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    import dramatiq

    from workers.wire.queue import WireQueue

    away: Callable[..., WireQueue] = WireQueue
    with_nobody_there = away("redis://127.0.0.1:1/0", namespace=settings.DRAMATIQ_NAMESPACE)
    monkeypatch.setattr(dramatiq.get_broker(), "wire", with_nobody_there)

    response = jane.post(f"/api/documents/{document.pk}/process/")

    with_nobody_there.close()
    assert response.status_code == 202
    assert TaskStatus.objects.get().status == "pending"
