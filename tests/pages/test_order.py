"""The page on which a writer sorts the documents of a project."""

from typing import Any

import pytest
from django.test import Client

from apps.documents.models import Document
from apps.pages.views import order
from apps.projects.models import Project
from tests import rows
from tests.pages import get, statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def documents(project: Project) -> dict[str, Document]:
    return {title: rows.document(title, project=project) for title in ("One", "Two", "Three")}


def titles(project: Project) -> list[str]:
    return list(Document.objects.filter(project=project).in_order().values_list("title", flat=True))


def press(browser: Client, project: Project, label: str) -> Any:
    """Press the button of that label, as a browser without JavaScript does."""
    [button] = get(browser, f"/projects/{project.pk}/order/").with_attribute("aria-label", label)
    assert "disabled" not in button
    return browser.post(button["formaction"] or "", {"before": button["value"]})


def test_buttons_move_a_document_up_and_down(browser: Client, project: Project, documents: dict[str, Document]) -> None:
    response = press(browser, project, "Move up: Three")
    assert response.headers["Location"] == f"/projects/{project.pk}/order/#document-{documents['Three'].pk}"
    assert titles(project) == ["One", "Three", "Two"]

    press(browser, project, "Move down: One")
    press(browser, project, "Move down: One")
    assert titles(project) == ["Three", "Two", "One"]
    page = get(browser, f"/projects/{project.pk}/order/")
    assert page.with_attribute("aria-label", "Move up: Three")[0].keys() >= {"disabled"}
    assert page.with_attribute("aria-label", "Move down: One")[0].keys() >= {"disabled"}


def test_the_page_of_the_project_has_that_order(
    browser: Client, project: Project, documents: dict[str, Document]
) -> None:
    press(browser, project, "Move up: Two")

    page = get(browser, f"/projects/{project.pk}/")
    assert page.text.index("Two") < page.text.index("One") < page.text.index("Three")
    assert page.with_attribute("href", f"/projects/{project.pk}/order/")


def test_a_project_without_documents_has_no_order(browser: Client, project: Project) -> None:
    assert "Nothing here yet" in get(browser, f"/projects/{project.pk}/order/").text


@pytest.mark.parametrize("before", ["0", "x", "9" * 40, "\x00"], ids=repr)
def test_a_place_that_is_gone_has_a_sentence(
    browser: Client, project: Project, documents: dict[str, Document], before: str
) -> None:
    response = browser.post(f"/documents/{documents['One'].pk}/move/", {"before": before}, follow=True)

    assert 'class="message error"' in response.content.decode()
    assert titles(project) == ["One", "Two", "Three"]


def test_many_documents_come_in_pages_and_move_over_their_ends(
    browser: Client, project: Project, documents: dict[str, Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "PAGE_SIZE", 2)
    address = f"/projects/{project.pk}/order/"
    [up] = get(browser, address, page=2).with_attribute("aria-label", "Move up: Three")

    response = browser.post(up["formaction"] or "", {"before": up["value"], "page": "2"})

    assert response.headers["Location"].startswith(f"{address}?page=2#")
    assert titles(project) == ["One", "Three", "Two"]
    [region] = get(browser, address).with_attribute("data-region", "order")
    assert region["data-following"] == str(documents["Two"].pk)


def test_the_page_takes_as_many_statements_for_many_documents_as_for_few(browser: Client, project: Project) -> None:
    address = f"/projects/{project.pk}/order/"
    few = len(statements(browser, address))
    for number in range(20):
        rows.document(f"Document {number}", project=project)

    assert len(statements(browser, address)) <= few + 1
