"""The order of a project's documents."""

import pytest
from django.urls import reverse

from apps.documents.models import Document
from apps.documents.services.document_service import DocumentService
from apps.documents.services.order import OrderChangedError
from apps.documents.services.project_documents import documents_of
from apps.projects.models import Membership, Project, Role
from tests import rows
from tests.at_once import at_once
from tests.clients import Writer, writer

pytestmark = pytest.mark.django_db


@pytest.fixture
def documents(project: Project) -> dict[str, Document]:
    return {title: rows.document(title, project=project) for title in "ABCDE"}


def titles(project: Project) -> str:
    return "".join(Document.objects.filter(project=project).in_order().values_list("title", flat=True))


def test_the_first_upload_is_first(project: Project, documents: dict[str, Document]) -> None:
    assert titles(project) == "ABCDE"


@pytest.mark.parametrize(
    ("title", "before", "order"),
    [
        ("D", "B", "ADBCE"),
        ("B", "E", "ACDBE"),
        ("E", "A", "EABCD"),
        ("A", None, "BCDEA"),
        ("E", None, "ABCDE"),
        ("B", "C", "ABCDE"),
        ("B", "B", "ABCDE"),
    ],
)
def test_a_document_is_moved_before_another_or_to_the_end(
    project: Project, documents: dict[str, Document], title: str, before: str | None, order: str
) -> None:
    DocumentService.move(documents[title], before=documents[before].pk if before else None)

    assert titles(project) == order


def test_a_new_document_comes_last_and_can_be_moved_too(project: Project, documents: dict[str, Document]) -> None:
    DocumentService.move(documents["E"], before=documents["A"].pk)
    new = rows.document("F", project=project)
    assert titles(project) == "EABCDF"

    DocumentService.move(new, before=documents["B"].pk)
    assert titles(project) == "EAFBCD"


def test_deletions_leave_the_order_of_the_others(project: Project, documents: dict[str, Document]) -> None:
    DocumentService.move(documents["E"], before=documents["A"].pk)
    documents["B"].delete()
    assert titles(project) == "EACD"

    DocumentService.move(documents["D"], before=documents["C"].pk)
    assert titles(project) == "EADC"


def test_a_document_that_came_from_another_project_has_a_place(
    project: Project, documents: dict[str, Document]
) -> None:
    DocumentService.move(documents["E"], before=documents["A"].pk)
    rows.document("X", project=project, position=2)
    assert titles(project) == "EAXBCD"

    DocumentService.move(documents["D"], before=documents["A"].pk)
    assert titles(project) == "EDAXBC"
    assert set(Document.objects.values_list("position", flat=True)) == {1, 2, 3, 4, 5, 6}


def test_a_document_that_is_gone_or_elsewhere_is_no_place(project: Project, documents: dict[str, Document]) -> None:
    elsewhere = rows.document("X", project=rows.project("Others"))
    for key in (elsewhere.pk, 10**30, -1):
        with pytest.raises(OrderChangedError, match="no longer in the project"):
            DocumentService.move(documents["A"], before=key)
    gone = documents["C"]
    Document.objects.filter(pk=gone.pk).delete()
    with pytest.raises(Document.DoesNotExist):
        DocumentService.move(gone, before=None)
    assert not Document.objects.exclude(position=None).exists()


@pytest.mark.django_db(transaction=True)
def test_moves_at_once_leave_each_document_one_place(project: Project, documents: dict[str, Document]) -> None:
    keys = [documents[title].pk for title in "ABCDE"]

    def move(number: int) -> None:
        document = Document.objects.get(pk=keys[number])
        DocumentService.move(document, before=keys[(number + 2) % 5])

    at_once(move, times=5)

    assert sorted(titles(project)) == list("ABCDE")
    assert list(Document.objects.in_order().values_list("position", flat=True)) == [1, 2, 3, 4, 5]


def test_a_move_changes_no_other_column(project: Project, documents: dict[str, Document]) -> None:
    before = list(Document.objects.order_by("pk").values("title", "status", "updated_at", "project_id"))
    DocumentService.move(documents["E"], before=documents["A"].pk)

    assert list(Document.objects.order_by("pk").values("title", "status", "updated_at", "project_id")) == before


def test_reports_have_the_order_of_the_writers(project: Project, documents: dict[str, Document]) -> None:
    DocumentService.move(documents["E"], before=documents["B"].pk)

    assert "".join(line.title for line in documents_of(project.pk)) == "AEBCD"


# --- The API ---


def test_the_api_moves_a_document_and_lists_a_project_in_order(
    jane: Writer, project: Project, documents: dict[str, Document]
) -> None:
    rows.document("X", project=rows.project("Others"))
    address = reverse("document-move", args=[documents["E"].pk])

    answer = jane.post(address, {"before": documents["B"].pk})
    assert (answer.status_code, answer.json()["id"]) == (200, documents["E"].pk)
    found = jane.get(reverse("document-list"), {"project": project.pk, "page_size": 4}).json()["results"]
    assert "".join(line["title"] for line in found) == "AEBC"

    assert jane.post(address, {"before": None}).status_code == 200
    assert titles(project) == "ABCDE"
    assert len(jane.get(reverse("document-list")).json()["results"]) == 6


@pytest.mark.parametrize("body", [{}, {"before": "x"}, {"before": 0}, {"before": 10**30}, {"before": [1]}], ids=repr)
def test_the_api_refuses_what_is_no_place(
    jane: Writer, documents: dict[str, Document], body: dict[str, object]
) -> None:
    answer = jane.post(reverse("document-move", args=[documents["A"].pk]), body)

    assert (answer.status_code, list(answer.json())) == (400, ["before"])


@pytest.mark.parametrize("project_id", ["x", "0", str(10**30)])
def test_the_api_lists_no_project_that_the_user_does_not_see(
    jane: Writer, documents: dict[str, Document], project_id: str
) -> None:
    theirs = rows.project("Theirs", owner="rosa")
    for key in (project_id, theirs.pk):
        answer = jane.get(reverse("document-list"), {"project": key})
        assert (answer.status_code, list(answer.json())) == (400, ["project"])


def test_a_reader_moves_nothing(project: Project, documents: dict[str, Document]) -> None:
    rosa = writer("rosa")
    Membership.objects.create(project=project, user=rosa.user, role=Role.READER)
    answer = rosa.post(reverse("document-move", args=[documents["E"].pk]), {"before": documents["A"].pk})

    assert (answer.status_code, titles(project)) == (403, "ABCDE")
