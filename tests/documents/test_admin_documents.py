"""The admin's pages of documents."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.documents.admin.document import EXCERPT_LENGTH
from apps.documents.models import Analysis, Chapter, Document, Manuscript
from apps.tasks import states
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db

DOCUMENTS = reverse("admin:documents_document_changelist")
ADD = reverse("admin:documents_document_add")
SCRIPT = "<script>alert(1)</script>"


def page_of(document: Document) -> str:
    return reverse("admin:documents_document_change", args=[document.pk])


def processed(title: str = "Emma", **values: Any) -> Document:
    document = rows.document(title, status=Document.Status.PROCESSED, **values)
    Manuscript.objects.create(document=document, filename="emma.txt", text="Emma Woodhouse, handsome, clever, and rich")
    Analysis.objects.create(document=document, words=158_167, sentences=8_517, reading_minutes=687.7)
    Chapter.objects.create(
        document=document, position=1, title="Chapter I", words=3_211, sentences=9, reading_minutes=4
    )
    return document


def process(client: Client, *documents: Document) -> str:
    """Choose "Process selected documents" for these. Return the text of the page that follows."""
    form = {"action": "process", "_selected_action": [document.pk for document in documents]}
    return Page(client.post(DOCUMENTS, form, follow=True).content.decode()).text


# --- The list ------------------------------------------------------------------------------------


def test_the_list_shows_a_document_with_its_figures(admin_client: Client) -> None:
    processed(project=rows.project("Highbury", owner="jane"))

    text = get(admin_client, DOCUMENTS).text

    for expected in ("Emma", "Highbury", "jane", "Processed", "158,167"):
        assert expected in text


def test_a_list_takes_as_many_statements_whatever_its_length(admin_client: Client) -> None:
    processed(project=rows.project("Project", owner="somebody"))
    few = statements(admin_client, DOCUMENTS)
    for number in range(20):
        processed(project=rows.project(f"Project {number}", owner=f"user-{number}"))
        rows.document(status=Document.Status.PROCESSING)

    assert len(statements(admin_client, DOCUMENTS)) == len(few)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status__exact": "failed"}, {"Persuasion"}),
        ({"status__exact": ["failed", "draft"]}, {"Persuasion", "Sanditon"}),
        ({"q": "sandi"}, {"Sanditon"}),
        ({"q": "Highbury"}, {"Emma"}),
        ({"q": "cassandra"}, {"Persuasion", "Sanditon"}),
    ],
    ids=str,
)
def test_documents_are_found(admin_client: Client, query: dict[str, Any], found: set[str]) -> None:
    processed("Emma", project=rows.project("Highbury", owner="jane"))
    late = rows.project("Late works", owner="cassandra")
    rows.document("Persuasion", project=late, status=Document.Status.FAILED)
    rows.document("Sanditon", project=late)

    page = get(admin_client, DOCUMENTS, **query)

    assert {title for title in ("Emma", "Persuasion", "Sanditon") if title in page.text} == found


def test_documents_of_one_project_are_found(admin_client: Client) -> None:
    wanted = rows.document("Emma")
    rows.document("Persuasion")

    text = get(admin_client, DOCUMENTS, project__id__exact=str(wanted.project.pk)).text

    assert "Emma" in text
    assert "Persuasion" not in text


# --- The page ------------------------------------------------------------------------------------


def test_a_page_shows_the_figures_of_a_document(admin_client: Client) -> None:
    document = processed()

    text = get(admin_client, page_of(document)).text

    for expected in (
        "Processed", "158,167 words, 8,517 sentences, 688 min to read", "emma.txt", "Emma Woodhouse, handsome",
        "Chapter I", "3211", "4.0 min",
    ):  # fmt: skip
        assert expected in text


def test_a_page_shows_readability_keywords_and_phrases(admin_client: Client) -> None:
    document = processed()
    figures = {
        "language": "en", "reading_ease": 62.9, "grade_level": 9.5, "dialogue_share": 0.4713,
        "keywords": [{"text": "Harriet", "count": 1_413}],
        "longest_sentences": [{"text": "It was a sweet view.", "words": 5}],
        "repeated_phrases": [{"text": "a great deal", "count": 64}],
    }  # fmt: skip
    Analysis.objects.update(**figures)
    Chapter.objects.update(**{**figures, "keywords": [{"text": "Weston", "count": 24}], "grade_level": None})

    text = get(admin_client, page_of(document)).text

    for expected in (
        "Reading ease 62.9, grade level 9.5. Reading ease by the formula for this language (Flesch, 1948)",
        "47%", "Harriet (1,413)", "a great deal (64)", "5 words: It was a sweet view.", "Weston",
    ):  # fmt: skip
        assert expected in text


def test_a_page_of_a_document_with_old_figures_asks_to_process_it_again(admin_client: Client) -> None:
    assert "Process it again to see how easy it is to read." in get(admin_client, page_of(processed())).text


def test_a_page_shows_a_document_without_a_manuscript(admin_client: Client) -> None:
    get(admin_client, page_of(rows.document()))


def test_a_page_shows_the_beginning_of_a_long_manuscript(admin_client: Client) -> None:
    document = rows.document()
    Manuscript.objects.create(document=document, text="word " * 100_000)

    page = get(admin_client, page_of(document))

    assert "(500,000 characters)" in page.text
    assert page.html.count("word ") < EXCERPT_LENGTH


def test_a_page_leads_to_the_tasks_that_work_on_the_document(admin_client: Client) -> None:
    document = rows.document()
    rows.task("a.about_it", about=document)
    rows.task("a.other")
    query = {"related_object_type": "documents.Document", "related_object_id": document.pk}
    tasks = reverse("admin:tasks_taskstatus_changelist", query=query)

    assert f'href="{tasks}"' in get(admin_client, page_of(document)).html.replace("&amp;", "&")
    assert "a.other" not in get(admin_client, tasks).text


def test_a_page_takes_as_many_statements_whatever_the_number_of_chapters(admin_client: Client) -> None:
    document = processed()
    few = statements(admin_client, page_of(document))
    for position in range(2, 40):
        Chapter.objects.create(document=document, position=position, words=1, sentences=1, reading_minutes=1)

    assert len(statements(admin_client, page_of(document))) == len(few)


def test_a_document_whose_task_failed_unseen_says_so_on_its_page(admin_client: Client) -> None:
    document = rows.document(status=Document.Status.PROCESSING)
    rows.task("documents.process_document", about=document, status=states.FAILED)

    text = get(admin_client, page_of(document)).text

    assert "Failed" in text
    assert "could not be processed" in text


@pytest.fixture
def worker_finishes_meanwhile() -> Iterator[None]:
    """A worker writes the status between reading a row for a form and saving it."""

    def finish(sender: Any, instance: Document, **others: Any) -> None:
        Document.objects.filter(pk=instance.pk).update(status=Document.Status.PROCESSED)

    pre_save.connect(finish, sender=Document)
    yield
    pre_save.disconnect(finish, sender=Document)


def test_saving_a_page_leaves_the_columns_of_a_worker_alone(
    admin_client: Client, worker_finishes_meanwhile: None
) -> None:
    document = Document.objects.bulk_create(
        [Document(title="Emma", project=rows.project(), status=Document.Status.PROCESSING)]
    )[0]
    rows.task("documents.process_document", about=document)
    form = {"title": "Emma, revised", "project": document.project.pk, "expires_at_0": "", "expires_at_1": ""}

    response = admin_client.post(page_of(document), form | formset(0))

    assert response.status_code == 302
    document.refresh_from_db()
    assert (document.title, document.status) == ("Emma, revised", Document.Status.PROCESSED)


def formset(count: int) -> dict[str, Any]:
    return {"chapters-TOTAL_FORMS": count, "chapters-INITIAL_FORMS": count}


# --- Adding --------------------------------------------------------------------------------------


def test_a_document_is_added_by_pasting_its_text(admin_client: Client) -> None:
    project = rows.project()
    form = {"title": "Emma", "project": project.pk, "text": "  Emma Woodhouse\r\nhandsome"}

    response = admin_client.post(ADD, form)

    document = Document.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, DOCUMENTS)
    assert (document.title, document.project, document.status) == ("Emma", project, Document.Status.DRAFT)
    assert document.manuscript.text.split() == ["Emma", "Woodhouse", "handsome"]
    assert document.manuscript.text.startswith("  ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This field is required."),
        (" \r\n ", "There is no text in it"),
        ("!!! ???", "There is not a single word in it."),
        ("é" * 60, "The text is 120 bytes, and at most 100 bytes can be taken."),
    ],
)
def test_a_text_that_cannot_be_taken_is_refused_with_the_reason(
    admin_client: Client, settings: Any, text: str, message: str
) -> None:
    settings.DOCUMENT_MAX_UPLOAD_BYTES = 100

    response = admin_client.post(ADD, {"title": "Emma", "project": rows.project().pk, "text": text})

    assert response.status_code == 200
    assert message in Page(response.content.decode()).text
    assert not Document.objects.exists()


# --- Processing ----------------------------------------------------------------------------------


def test_selected_documents_are_processed_for_the_asking_user(admin_client: Client, admin_user: User) -> None:
    documents = [rows.document(title) for title in ("Emma", "Persuasion")]
    untouched = rows.document("Sanditon")

    assert "Processing started for 2 documents." in process(admin_client, *documents)

    tasks = TaskStatus.objects.order_by("id")
    assert [(task.task_name, task.related_object_id, task.owner) for task in tasks] == [
        ("documents.process_document", document.pk, admin_user) for document in documents
    ]
    untouched.refresh_from_db()
    assert untouched.status == Document.Status.DRAFT


def test_started_documents_are_counted_apart_from_running_ones(admin_client: Client) -> None:
    emma, persuasion, sanditon = (rows.document(title) for title in ("Emma", "Persuasion", "Sanditon"))
    process(admin_client, emma)

    text = process(admin_client, emma, persuasion, sanditon)
    assert "Processing started for 2 documents." in text
    assert "1 document was being processed already." in text

    text = process(admin_client, emma, persuasion)
    assert "Processing started" not in text
    assert "2 documents were being processed already." in text
    assert TaskStatus.objects.count() == 3


def test_a_user_who_may_only_view_cannot_start_processing(client: Client) -> None:
    document = rows.document()
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_document"))
    client.force_login(user)

    process(client, document)

    assert "Process selected" not in get(client, DOCUMENTS).text
    assert not TaskStatus.objects.exists()


# --- Nothing that a document holds becomes HTML --------------------------------------------------


def test_the_content_of_a_document_is_escaped(admin_client: Client) -> None:
    project = rows.project(SCRIPT, owner=SCRIPT)
    document = rows.document(SCRIPT, project=project, status=Document.Status.FAILED, error_message=SCRIPT)
    Manuscript.objects.create(document=document, filename=SCRIPT, text=SCRIPT)
    texts = [{"text": SCRIPT, "count": 1, "words": 1}]
    found = {"keywords": texts, "longest_sentences": texts, "repeated_phrases": texts}
    Analysis.objects.create(document=document, words=1, sentences=1, reading_minutes=1, **found)
    Chapter.objects.create(
        document=document, position=1, title=SCRIPT, words=1, sentences=1, reading_minutes=1, **found
    )

    for page in (
        get(admin_client, DOCUMENTS),
        get(admin_client, DOCUMENTS, project__id__exact=str(project.pk), q=SCRIPT),
        get(admin_client, page_of(document)),
        get(admin_client, reverse("admin:documents_document_delete", args=[document.pk])),
        Page(
            admin_client.post(
                DOCUMENTS, {"action": "process", "_selected_action": document.pk}, follow=True
            ).content.decode()
        ),
    ):
        assert SCRIPT not in page.html
        assert "alert(1)" in page.text
