"""The page on which a writer chooses how a text reads."""

import pytest
from django.test import Client

from apps.documents.models import Document, Manuscript
from apps.documents.readers import encodings
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Membership, Project, Role
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import get

pytestmark = pytest.mark.django_db

DANISH = "Regnen var ikke holdt op siden morgen, og gaden under vinduet var blevet en å.\n".encode("cp850")


@pytest.fixture(autouse=True)
def two_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no old encoding be told."""
    monkeypatch.setattr(encodings, "candidates", lambda data: ["mac_roman", "cp437"])


@pytest.fixture
def document(project: Project) -> Document:
    return DocumentService.create(project=project, title="Regn", data=DANISH, filename="regn.txt")


def test_the_project_leads_to_the_choice(browser: Client, document: Document) -> None:
    [link] = get(browser, f"/projects/{document.project_id}/").with_attribute("id", f"choose-{document.pk}")
    text = get(browser, str(link["href"])).text

    assert "vinduet var blevet en å." in text
    assert "vinduet var blevet en Ü." in text
    assert "old Macs (mac_roman)" in text


def test_a_button_chooses_and_starts_processing(browser: Client, document: Document) -> None:
    page = get(browser, f"/documents/{document.pk}/")
    [button] = page.with_attribute("value", "cp437")
    response = browser.post(f"/documents/{document.pk}/encoding/", {str(button["name"]): button["value"]})

    assert response.headers["Location"] == f"/documents/{document.pk}/"
    assert Manuscript.objects.get().encoding == "cp437"
    assert TaskStatus.objects.get().related_object_id == document.pk
    text = get(browser, f"/documents/{document.pk}/").text
    assert "read as DOS (cp437)" in text
    assert "Being processed" in text


@pytest.mark.parametrize("encoding", ["", "idna", "\x00"])
def test_what_is_not_offered_has_a_sentence(browser: Client, document: Document, encoding: str) -> None:
    response = browser.post(f"/documents/{document.pk}/encoding/", {"encoding": encoding})

    assert response.status_code == 400
    assert "Choose one of: " in response.content.decode()
    assert not TaskStatus.objects.exists()


def test_previews_are_text_and_no_html(browser: Client, document: Document) -> None:
    Manuscript.objects.update(readings=[{"encoding": "cp850", "preview": "<b>x</b>"}] * 2)

    assert "&lt;b&gt;x&lt;/b&gt;" in get(browser, f"/documents/{document.pk}/").html


def test_a_text_whose_encoding_is_known_leads_back_to_it(browser: Client, project: Project) -> None:
    document = rows.document(project=project)

    response = browser.get(f"/documents/{document.pk}/encoding/")
    assert response.headers["Location"] == f"/documents/{document.pk}/"


def test_a_reader_is_shown_no_choice(client: Client, document: Document) -> None:
    rosa = rows.project(owner="rosa").owner
    Membership.objects.create(project=document.project, user=rosa, role=Role.READER)
    client.force_login(rosa)

    page = get(client, f"/documents/{document.pk}/")
    assert "An editor of this project can choose how it reads." in page.text
    assert not page.with_attribute("name", "encoding")
