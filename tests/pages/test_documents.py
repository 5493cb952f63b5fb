"""The page of a document: its figures, or the progress of processing it."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.documents.models import Analysis, Chapter, Document
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks import states
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db
DASH = "\N{EN DASH}"
FOUND = {"words": 121_876, "sentences": 5_992, "reading_minutes": 529.9}


@pytest.fixture
def document(project: Project) -> Document:
    """A draft that jane owns."""
    return DocumentService.create(project=project, title="Emma", text="Emma Woodhouse, handsome, clever, and rich.")


def analysed(document: Document, *, chapters: int = 3, **figures: Any) -> Document:
    """Give the document figures, and chapters of 1,000 words, 2,000 and so on."""
    Document.objects.filter(pk=document.pk).update(status=Document.Status.PROCESSED)
    Analysis.objects.create(document=document, **FOUND | figures)
    Chapter.objects.bulk_create(
        Chapter(
            document=document, position=number, title=f"Chapter {number}", words=1_000 * number, sentences=50,
            reading_minutes=4.3,
        )
        for number in range(1, chapters + 1)
    )  # fmt: skip
    return document


def address(document: Document, verb: str = "") -> str:
    return f"/documents/{document.pk}/{verb}"


@pytest.mark.parametrize("verb", ["", "rename/", "delete/", "process/"])
def test_the_document_of_another_user_does_not_exist(browser: Client, verb: str) -> None:
    theirs = rows.document(project=rows.project(owner="rosa"))

    for there in (address(theirs, verb), f"/documents/{10**30}/{verb}"):
        assert browser.get(there).status_code == 404
        assert browser.post(there, {"title": "x"}).status_code in (404, 405)
    assert Document.objects.get().title == "Emma"
    assert not TaskStatus.objects.exists()


def test_a_draft_can_be_processed(browser: Client, document: Document, jane: User) -> None:
    assert "Not processed yet" in get(browser, address(document)).text

    response = browser.post(address(document, "process/"))

    assert response.headers["Location"] == address(document)
    task = TaskStatus.objects.get()
    assert (task.related_object_id, task.owner) == (document.pk, jane)
    page = get(browser, address(document))
    assert page.with_attribute("data-task", task.task_id)
    assert "Waiting: no tasks are being worked on at the moment" in page.text


def test_processing_from_the_project_leads_back_to_it(browser: Client, document: Document) -> None:
    response = browser.post(address(document, "process/"), {"from_project": "1"})

    assert response.headers["Location"] == f"/projects/{document.project_id}/"


def test_a_failure_is_shown_with_a_button_to_try_again(browser: Client, document: Document) -> None:
    sentence = "The pages of this PDF are pictures."
    Document.objects.filter(pk=document.pk).update(status=Document.Status.FAILED, error_message=sentence)

    page = get(browser, address(document))

    assert sentence in page.text
    assert "Try again" in page.text
    assert not page.with_attribute("http-equiv", "refresh")


def test_earlier_figures_are_shown_beside_a_failure(browser: Client, document: Document) -> None:
    analysed(document)
    Document.objects.filter(pk=document.pk).update(status=Document.Status.FAILED, error_message="It broke.")

    text = get(browser, address(document)).text

    assert "It broke." in text
    assert "What was found the last time:" in text
    assert "121,876" in text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"status": states.PENDING}, "Waiting: no tasks are being worked on at the moment"),
        ({"status": states.PENDING, "retries": 1}, "Waiting: no tasks are being worked on at the moment"),
        ({"status": states.PROCESSING}, "Beginning"),
        ({"status": states.PROCESSING, "progress": 41, "progress_text": "Page 3 of 9"}, "Page 3 of 9"),
    ],
    ids=["waiting", "again", "beginning", "at it"],
)
def test_the_bar_shows_the_progress(browser: Client, document: Document, values: dict[str, Any], text: str) -> None:
    Document.objects.filter(pk=document.pk).update(status=Document.Status.PROCESSING)
    rows.task(about=document, **values)

    page = get(browser, address(document))

    assert text in page.text
    assert page.with_attribute("value", str(values.get("progress", 0)))
    assert page.with_attribute("http-equiv", "refresh")


def test_a_task_that_ended_meanwhile_shows_its_figures(browser: Client, document: Document) -> None:
    analysed(document)
    Document.objects.filter(pk=document.pk).update(status=Document.Status.PROCESSING)
    rows.task(about=document, status=states.COMPLETED)

    page = get(browser, address(document))

    assert "121,876" in page.text
    assert not page.with_attribute("data-task", TaskStatus.objects.get().task_id)


def test_the_figures_the_plot_and_the_chapters_are_shown(browser: Client, document: Document) -> None:
    page = get(browser, address(analysed(document)))

    for text in ("121,876", "5,992", "8 h 50 min", "From 1,000 words (Chapter 1) to 3,000 words (Chapter 3)"):
        assert text in page.text
    labels = [attributes["data-label"] for _, attributes in page.elements if "data-label" in attributes]
    assert labels[:3] == [f"Chapter {number}: {number},000 words" for number in (1, 2, 3)]
    assert len(page.with_attribute("scope", "row")) == 3


def test_characters_are_named_where_they_are_counted(browser: Client, document: Document) -> None:
    analysed(document, language="zh", longest_sentences=[{"text": "\u6ca1\u6709\u4eba\u6765", "words": 4}])
    document.chapters.update(language="zh")

    text = get(browser, address(document)).text

    assert "Characters" in text
    assert "4 characters" in text
    assert "Length of the chapters, in characters" in text
    assert "No keywords and repeated phrases: this language is written without spaces" in text
    assert "121,876 characters" in get(browser, f"/projects/{document.project_id}/").text


def test_all_findings_are_shown(browser: Client, document: Document) -> None:
    analysed(
        document,
        language="en",
        reading_ease=63.4,
        grade_level=9.51,
        dialogue_share=0.468,
        keywords=[
            {"text": "Elizabeth", "count": 635},
            {"text": "Darcy", "count": 418},
            {"text": "family", "count": 152},
        ],
        longest_sentences=[{"text": "Every lingering struggle…", "words": 180}],
        repeated_phrases=[{"text": "a great deal", "count": 23}],
    )
    for number, chapter in enumerate(document.chapters.all()):
        Chapter.objects.filter(pk=chapter.pk).update(reading_ease=50 + 10 * number, dialogue_share=0.25 * number)

    page = get(browser, address(document))

    for text in ("63 plain", "9.5", "47 %", "English", "Flesch, 1948", "180 words Every lingering"):
        assert text in page.text
    assert [attributes["class"] for tag, attributes in page.elements if "size-" in str(attributes.get("class"))] == [
        "size-5", "size-4", "size-1",
    ]  # fmt: skip
    assert "a great deal 23" in page.text
    labels = [attributes["data-label"] for _, attributes in page.elements if "data-label" in attributes]
    assert labels[3:] == [
        "Chapter 1: 50, fairly hard", "Chapter 2: 60, plain", "Chapter 3: 70, easy",
        "Chapter 1: 0\N{NO-BREAK SPACE}%", "Chapter 2: 25\N{NO-BREAK SPACE}%", "Chapter 3: 50\N{NO-BREAK SPACE}%",
    ]  # fmt: skip


def test_a_text_without_readability_says_why(browser: Client, document: Document) -> None:
    page = get(browser, address(analysed(document, keywords=[], language="")))

    assert f"Reading ease {DASH}" in page.text
    assert "No readability: the language is unknown." in page.text
    assert "No share of dialogue: the language is unknown." in page.text


def test_a_chapter_without_a_figure_says_why(browser: Client, document: Document) -> None:
    analysed(document, language="en", reading_ease=63.4, dialogue_share=0.4, keywords=[])
    document.chapters.filter(position=1).update(reading_ease=60, dialogue_share=0.1, language="en")
    document.chapters.filter(position=2).update(words=20, language="en")
    document.chapters.filter(position=3).update(language="eo", dialogue_share=0.2)

    text = get(browser, address(document)).text

    assert f"{DASH}: No readability: it takes at least 100 words. {DASH}: No share of dialogue: there are no" in text
    assert text.count("not measured in this language (eo)") == 1


def test_the_page_takes_as_many_statements_for_many_chapters_as_for_few(browser: Client, project: Project) -> None:
    few, many = (
        analysed(DocumentService.create(project=project, title="Emma", text="Emma."), chapters=number)
        for number in (2, 60)
    )

    assert len(statements(browser, address(few))) == len(statements(browser, address(many)))


def test_a_text_of_one_piece_has_no_plot(browser: Client, document: Document) -> None:
    page = get(browser, address(analysed(document, chapters=1)))

    assert not page.with_attribute("role", "img")
    assert not page.with_attribute("scope", "row")


def test_only_the_first_chapters_of_very_many_are_shown(browser: Client, document: Document) -> None:
    page = get(browser, address(analysed(document, chapters=405)))

    assert len(page.with_attribute("scope", "row")) == 400
    assert "And 5 more." in page.text
    rest = get(browser, f"{address(document)}?page=2")
    assert len(rest.with_attribute("scope", "row")) == 5
    assert "more." not in rest.text
    assert "Page 2 of 2" in rest.text


def test_titles_are_text_and_no_html(browser: Client, document: Document) -> None:
    hostile = '<script>alert(1)</script>"'
    Document.objects.filter(pk=document.pk).update(title=hostile)
    analysed(document)
    Chapter.objects.update(title=hostile)

    for there in (address(document), f"/projects/{document.project_id}/", address(document, "delete/")):
        page = get(browser, there)
        assert "<script>alert" not in page.html
        assert "alert(1)" in page.text


def test_a_document_is_renamed(browser: Client, document: Document) -> None:
    browser.post(address(document, "rename/"), {"title": "Emma, again"})

    assert Document.objects.get().title == "Emma, again"


def test_an_invalid_title_is_shown_at_the_form(browser: Client, document: Document) -> None:
    response = browser.post(address(document, "rename/"), {"title": "x" * 201})

    assert response.status_code == 400
    assert "at most 200 characters" in Page(response.content.decode()).text
    assert browser.get(address(document, "rename/")).headers["Location"] == address(document)


def test_deleting_asks_first(browser: Client, document: Document) -> None:
    assert "This cannot be undone." in get(browser, address(document, "delete/")).text
    assert Document.objects.exists()

    response = browser.post(address(document, "delete/"), follow=True)

    assert response.redirect_chain == [(f"/projects/{document.project_id}/", 302)]
    assert "“Emma” was deleted." in response.content.decode()
    assert not Document.objects.exists()
