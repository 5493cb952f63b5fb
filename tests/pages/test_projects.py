"""A writer's projects, and the documents that are added to them."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Analysis, Document, Manuscript
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project, Report
from apps.projects.services.report_service import GENERATE_PROJECT_REPORT
from apps.tasks import states
from apps.tasks.models import TaskStatus
from tests import manuscripts, rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db
TEXT = "It is a truth universally acknowledged.\n"


def file(name: str = "emma.txt", data: bytes = TEXT.encode()) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def page_of(response: Any, *, status: int) -> Page:
    assert response.status_code == status
    return Page(response.content.decode())


# --- The list ------------------------------------------------------------------------------------


def test_without_projects_the_page_explains_them(browser: Client) -> None:
    assert "Give your first one a name" in get(browser, "/").text


def test_a_new_project_is_the_writers_and_is_shown(browser: Client, jane: User) -> None:
    response = browser.post("/", {"name": "  Emma  "})

    project = Project.objects.get()
    assert (project.name, project.owner) == ("Emma", jane)
    assert response.headers["Location"] == f"/projects/{project.pk}/"
    assert "Emma" in get(browser, "/").text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "This field is required"), ("x" * 201, "at most 200 characters"), ("a\x00b", "Null characters")],
    ids=["empty", "too long", "NUL"],
)
def test_an_invalid_name_is_shown_at_the_form_and_kept(browser: Client, name: str, sentence: str) -> None:
    page = page_of(browser.post("/", {"name": name}), status=400)

    assert sentence in page.text
    [field] = page.with_attribute("id", "new_name")
    assert field.get("value", "") == name
    assert field["aria-invalid"] == "true"
    assert not Project.objects.exists()


def test_each_project_shows_its_documents_and_words(browser: Client, project: Project) -> None:
    for words in (1_000, 234):
        document = rows.document(project=project)
        Analysis.objects.create(document=document, words=words, sentences=1, reading_minutes=1)

    text = get(browser, "/").text

    assert "1,234 words" in text
    assert "2 documents" in text


def test_a_project_has_words_and_characters(browser: Client, project: Project) -> None:
    for words, language in ((1_000, "zh"), (500, "ja"), (234, "en"), (1, "")):
        document = rows.document(project=project)
        Analysis.objects.create(document=document, words=words, language=language, sentences=1, reading_minutes=1)

    assert "235 words, 1,500 characters" in get(browser, "/").text
    Analysis.objects.filter(language__in=["en", ""]).delete()
    assert " 1,500 characters" in get(browser, "/").text
    assert "words" not in get(browser, "/").text


def test_many_projects_come_in_pages(browser: Client) -> None:
    for number in range(51):
        rows.project(f"Project {number:02}", owner="jane")

    first, second = get(browser, "/").text, get(browser, "/", page="2").text

    assert "Project 50" in first
    assert "Page 1 of 2" in first
    assert "Project 00" not in first
    assert "Project 00" in second
    assert get(browser, "/", page="x").text == first


# --- Ownership -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["", "rename/", "delete/", "upload/", "paste/", "process/", "report/"])
def test_the_project_of_another_user_does_not_exist(browser: Client, verb: str) -> None:
    theirs = rows.project("Theirs", owner="rosa")

    for address in (f"/projects/{theirs.pk}/{verb}", f"/projects/{10**30}/{verb}"):
        assert browser.get(address).status_code == 404
        assert browser.post(address, {"name": "x"}).status_code in (404, 405)
    assert Project.objects.get().name == "Theirs"
    assert not TaskStatus.objects.exists()


@pytest.mark.parametrize("verb", ["rename/", "upload/", "paste/", "process/", "report/"])
def test_the_address_of_a_form_leads_back_to_the_project(browser: Client, project: Project, verb: str) -> None:
    assert browser.get(f"/projects/{project.pk}/{verb}").headers["Location"] == f"/projects/{project.pk}/"


# --- Names ---------------------------------------------------------------------------------------


def test_a_project_is_renamed(browser: Client, project: Project) -> None:
    browser.post(f"/projects/{project.pk}/rename/", {"name": "Novels & Stories"})

    assert Project.objects.get().name == "Novels & Stories"
    assert "<h1><bdi>Novels &amp; Stories</bdi></h1>" in get(browser, f"/projects/{project.pk}/").html


def test_an_invalid_new_name_is_shown_at_the_open_form(browser: Client, project: Project) -> None:
    page = page_of(browser.post(f"/projects/{project.pk}/rename/", {"name": " "}), status=400)

    assert "This field is required" in page.text
    assert 'class="drawer" open' in page.html
    assert Project.objects.get().name == "Novels"


def test_deleting_asks_first(browser: Client, project: Project) -> None:
    rows.document(project=project)

    assert "Its 1 document will be gone" in get(browser, f"/projects/{project.pk}/delete/").text
    assert Project.objects.exists()
    response = browser.post(f"/projects/{project.pk}/delete/", follow=True)

    assert "“Novels” was deleted." in response.content.decode()
    assert not Project.objects.exists()
    assert not Document.objects.exists()


# --- Adding --------------------------------------------------------------------------------------


def test_files_become_documents_named_after_them(browser: Client, project: Project) -> None:
    response = browser.post(
        f"/projects/{project.pk}/upload/", {"chosen": [file(), file("Persuasion.txt")]}, follow=True
    )

    assert {document.title for document in Document.objects.all()} == {"emma", "Persuasion"}
    assert {manuscript.filename for manuscript in Manuscript.objects.all()} == {"emma.txt", "Persuasion.txt"}
    assert "“emma” was added." in response.content.decode()


def test_many_files_have_one_message(browser: Client, project: Project) -> None:
    files = [file(f"chapter {number}.txt") for number in range(11)]
    response = browser.post(f"/projects/{project.pk}/upload/", {"chosen": files}, follow=True)

    page = page_of(response, status=200)
    assert "11 files were added." in page.text
    assert len(page.with_attribute("class", "message success")) == 1


def test_each_refused_file_has_a_reason_and_the_others_are_taken(browser: Client, project: Project) -> None:
    response = browser.post(f"/projects/{project.pk}/upload/", {"chosen": [file("blank.txt", b""), file()]})

    page = page_of(response, status=400)
    assert "blank.txt" in page.text
    assert "empty" in page.text
    assert Document.objects.get().title == "emma"


def test_a_file_that_cannot_be_read_at_once_is_to_be_sent_again(
    browser: Client, project: Project, busy_readers: None
) -> None:
    response = browser.post(
        f"/projects/{project.pk}/upload/", {"chosen": [file("a.pdf", manuscripts.pdf(b"")), file()]}
    )

    page = page_of(response, status=503)
    assert response.headers["Retry-After"] == "5"
    assert "Send this one again in a few seconds." in page.text
    assert Document.objects.get().title == "emma"


def test_a_file_that_is_too_large_is_refused(browser: Client, project: Project, settings: Any) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 100

    response = browser.post(f"/projects/{project.pk}/upload/", {"chosen": file(data=b"x" * 101)})

    assert "101 bytes, and at most 100 bytes can be taken" in page_of(response, status=400).text
    assert not Document.objects.exists()


def test_an_upload_of_nothing_says_what_to_do(browser: Client, project: Project) -> None:
    assert "Choose at least one file." in page_of(browser.post(f"/projects/{project.pk}/upload/"), status=400).text


def test_a_file_without_a_name_of_its_own_gets_a_title(browser: Client, project: Project) -> None:
    browser.post(f"/projects/{project.pk}/upload/", {"chosen": file(f"{'x' * 250}.txt")})

    assert Document.objects.get().title == "x" * 200


def test_a_pasted_text_becomes_a_document(browser: Client, project: Project) -> None:
    response = browser.post(f"/projects/{project.pk}/paste/", {"title": "Emma", "text": f"  {TEXT}"})

    document = Document.objects.get()
    assert response.headers["Location"] == f"/documents/{document.pk}/"
    assert "acknowledged" in document.manuscript.text


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"title": "", "text": TEXT}, "This field is required"),
        ({"title": "Emma", "text": "  \n"}, "no text"),
        ({"title": "Emma", "text": ""}, "This field is required"),
    ],
    ids=["no title", "blank", "no text"],
)
def test_a_refused_text_has_a_reason_and_stays_in_the_form(
    browser: Client, project: Project, sent: dict[str, str], sentence: str
) -> None:
    page = page_of(browser.post(f"/projects/{project.pk}/paste/", sent), status=400)

    assert sentence in page.text
    assert page.with_attribute("id", "paste_title")[0].get("value", "") == sent["title"]
    assert sent["text"].strip() in page.text
    assert not Document.objects.exists()


# --- Documents and their progress ----------------------------------------------------------------


def test_a_document_that_is_processed_shows_its_bar(browser: Client, project: Project) -> None:
    document = rows.document(project=project, status=Document.Status.PROCESSING)
    task = rows.task(about=document, status=states.PROCESSING, progress=37, progress_text="Chapter 7 of 18")

    page = get(browser, f"/projects/{project.pk}/")

    assert page.with_attribute("data-task", task.task_id)
    assert {"max": "100", "value": "37", "aria-label": "Emma"} in [
        attributes for tag, attributes in page.elements if tag == "progress"
    ]
    assert "Chapter 7 of 18" in page.text
    assert "See how far it is now" in page.text


def test_a_document_whose_task_was_cancelled_can_be_started_again(browser: Client, project: Project) -> None:
    document = rows.document(project=project, status=Document.Status.PROCESSING)
    rows.task(about=document, status=states.CANCELLED)

    page = get(browser, f"/projects/{project.pk}/")

    assert "Processing was stopped before it was done." in page.text
    assert page.with_attribute("id", f"again-{document.pk}")
    assert "See how far it is now" not in page.text


def test_one_task_starts_all_new_documents(browser: Client, project: Project, jane: User) -> None:
    for _ in range(3):
        rows.document(project=project)

    browser.post(f"/projects/{project.pk}/process/")
    browser.post(f"/projects/{project.pk}/process/")

    task = TaskStatus.objects.get()
    assert (task.task_name, task.related_object_id, task.owner) == ("documents.process_project", project.pk, jane)
    page = get(browser, f"/projects/{project.pk}/")
    assert page.with_attribute("data-task", task.task_id)
    assert not page.with_attribute("id", "process-all")


def test_the_page_of_a_project_takes_as_many_statements_for_many_documents_as_for_few(
    browser: Client, project: Project
) -> None:
    def fill() -> None:
        processing = rows.document(project=project, status=Document.Status.PROCESSING)
        rows.task(about=processing)
        rows.document(project=project)

    fill()
    few = len(statements(browser, f"/projects/{project.pk}/"))
    for _ in range(10):
        fill()

    assert len(statements(browser, f"/projects/{project.pk}/")) == few


# --- The report ----------------------------------------------------------------------------------


def test_a_report_is_started_once_and_its_progress_is_shown(browser: Client, project: Project, jane: User) -> None:
    for _ in range(2):
        browser.post(f"/projects/{project.pk}/report/")

    task = TaskStatus.objects.get()
    assert (task.task_name, task.owner) == (GENERATE_PROJECT_REPORT, jane)
    page = get(browser, f"/projects/{project.pk}/")
    assert page.with_attribute("data-task", task.task_id)
    assert not page.with_attribute("id", "make-report")


def test_the_files_of_the_newest_report_are_linked(browser: Client, project: Project) -> None:
    page = get(browser, f"/projects/{project.pk}/")
    assert not page.with_attribute("id", "report-html")

    Report.objects.create(project=project, html="reports/1.html", pdf="reports/1.pdf")
    page = get(browser, f"/projects/{project.pk}/")

    assert page.with_attribute("href", f"/projects/{project.pk}/report.html")
    assert page.with_attribute("href", f"/projects/{project.pk}/report.pdf")
    assert f"{timezone.now():%Y}" in page.text


@pytest.mark.parametrize("status", [states.FAILED, states.CANCELLED])
def test_a_report_that_could_not_be_made_says_so(browser: Client, project: Project, status: str) -> None:
    rows.task(GENERATE_PROJECT_REPORT, about=project, status=status)

    page = get(browser, f"/projects/{project.pk}/")

    assert "The report could not be made" in page.text
    assert page.with_attribute("id", "make-report")


def test_a_conflict_and_a_lost_database_have_a_page_of_their_own(
    browser: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import IntegrityError, OperationalError

    for error, status, sentence in (
        (IntegrityError("gone"), 409, "was deleted or changed at this moment"),
        (OperationalError("away"), 503, "The database does not answer."),
    ):

        def refuse(*args: Any, error: Exception = error, **kwargs: Any) -> None:
            raise error

        monkeypatch.setattr(DocumentService, "create", refuse)
        response = browser.post(f"/projects/{project.pk}/paste/", {"title": "Emma", "text": TEXT})
        assert sentence in page_of(response, status=status).text


def test_the_sample_of_the_repository_can_be_uploaded(browser: Client, project: Project) -> None:
    from apps.documents.samples import PRIDE_AND_PREJUDICE

    data = Path(PRIDE_AND_PREJUDICE).read_bytes()
    browser.post(f"/projects/{project.pk}/upload/", {"chosen": file(PRIDE_AND_PREJUDICE.name, data)})

    assert Document.objects.get().title == "pride-and-prejudice"
