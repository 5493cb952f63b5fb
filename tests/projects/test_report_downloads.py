"""Reports through the API and as files, for their owner and staff."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.models import StoredFile
from apps.projects.models import Project, Report
from apps.projects.services.report_service import ReportService
from tests.clients import Writer, allow, writer

pytestmark = pytest.mark.django_db

KINDS = ["html", "pdf"]


@pytest.fixture
def project(jane: Writer) -> Project:
    return Project.objects.create(owner=jane.user, name="Novels & tales")


@pytest.fixture
def report(project: Project) -> Report:
    return ReportService.generate(project)[0]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(project: Project, kind: str) -> str:
    return f"/projects/{project.pk}/report.{kind}"


def test_the_api_has_the_addresses_of_the_newest_report(jane: Writer, project: Project, report: Report) -> None:
    answer = jane.get(f"/api/projects/{project.pk}/report/")
    assert answer.status_code == 200
    assert answer.json() == {
        "created_at": report.created_at.isoformat().replace("+00:00", "Z"),
        "html_url": f"http://testserver/projects/{project.pk}/report.html",
        "pdf_url": f"http://testserver/projects/{project.pk}/report.pdf",
    }


def test_a_project_without_a_report_has_null_addresses(jane: Writer, project: Project) -> None:
    answer = jane.get(f"/api/projects/{project.pk}/report/")
    assert (answer.status_code, answer.json()) == (200, {"created_at": None, "html_url": None, "pdf_url": None})


def test_the_report_of_another_user_does_not_exist(project: Project, report: Report) -> None:
    assert writer("emily").get(f"/api/projects/{project.pk}/report/").status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_the_owner_gets_the_file_with_a_session_and_with_a_token(
    jane: Writer, project: Project, report: Report, kind: str
) -> None:
    by_session = signed_in(jane.user).get(address(project, kind))
    by_token = jane.get(address(project, kind))
    assert by_session.status_code == by_token.status_code == 200
    assert by_session.content == by_token.content
    with getattr(report, kind).open() as file:
        assert by_session.content == file.read()


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_that_is_deleted_during_the_request_is_not_found(
    jane: Writer, project: Project, report: Report, kind: str
) -> None:
    """Five newer reports may be made between reading the row and opening its file."""
    StoredFile.objects.all().delete()
    assert jane.get(address(project, kind)).status_code == 404


def test_the_page_is_shown_and_may_do_nothing(jane: Writer, project: Project, report: Report) -> None:
    response = signed_in(jane.user).get(address(project, "html"))
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Content-Disposition"] == 'inline; filename="Novels & tales.html"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    policy = {directive.split()[0]: directive for directive in response["Content-Security-Policy"].split("; ")}
    assert policy["default-src"] == "default-src 'none'"
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert response["Cache-Control"] == "private, no-store"


def test_the_pdf_is_saved_under_the_projects_name(jane: Writer, project: Project, report: Report) -> None:
    Project.objects.update(name="小説/1")
    response = signed_in(jane.user).get(address(project, "pdf"))
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == "attachment; filename*=utf-8''%E5%B0%8F%E8%AA%AC%201.pdf"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.content.startswith(b"%PDF-")


@pytest.mark.parametrize("kind", KINDS)
def test_staff_who_may_see_projects_get_the_file_and_other_users_do_not(
    project: Project, report: Report, kind: str
) -> None:
    staff = User.objects.create_user("support", is_staff=True)
    allow(staff, "projects.view_project")
    emily = User.objects.create_user("emily", is_staff=True)
    assert signed_in(staff).get(address(project, kind)).status_code == 200
    theirs = signed_in(emily).get(address(project, kind))
    missing = signed_in(emily).get(f"/projects/{project.pk + 1}/report.{kind}")
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content


@pytest.mark.parametrize("kind", KINDS)
def test_a_visitor_is_sent_to_sign_in_and_a_program_gets_a_401(project: Project, report: Report, kind: str) -> None:
    person = Client().get(address(project, kind), HTTP_ACCEPT="text/html,*/*")
    assert person.status_code == 302
    assert person["Location"].endswith(f"?next={address(project, kind)}")
    program = Client().get(address(project, kind))
    assert program.status_code == 401
    wrong = Client().get(address(project, kind), HTTP_AUTHORIZATION="Token wrong", HTTP_ACCEPT="text/html")
    assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid token."})


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_without_a_report_has_no_file(jane: Writer, project: Project, kind: str) -> None:
    assert jane.get(address(project, kind)).status_code == 404


@pytest.mark.parametrize("pk", ["99999999999999999999999", "9" * 5000, "-1", "abc", "٣", "0"], ids=lambda pk: pk[:30])
def test_an_invalid_id_is_not_found(jane: Writer, pk: str) -> None:
    assert jane.get(f"/projects/{pk}/report.html").status_code == 404


def test_another_kind_of_file_is_not_found(jane: Writer, project: Project, report: Report) -> None:
    assert jane.get(f"/projects/{project.pk}/report.docx").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_file_is_only_read(jane: Writer, project: Project, report: Report, method: str) -> None:
    assert getattr(jane, method)(address(project, "html")).status_code == 405


def test_the_newest_report_is_the_one_that_counts(jane: Writer, project: Project, report: Report) -> None:
    Project.objects.update(name="Renamed")
    ReportService.generate(Project.objects.get())
    assert b"Renamed" in jane.get(address(project, "html")).content
    assert reverse("report-file", args=[project.pk, "html"]) == address(project, "html")
