"""Projects in the admin."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.models import StoredFile
from apps.projects.models import Project
from apps.projects.services.report_service import ReportService
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import get, statements

pytestmark = pytest.mark.django_db

PROJECTS = reverse("admin:projects_project_changelist")
SCRIPT = "<script>alert(1)</script>"


def test_the_list_counts_each_projects_documents_and_leads_to_them(admin_client: Client) -> None:
    novels, letters = rows.project("Novels"), rows.project("Letters")
    for title in ("Emma", "Persuasion"):
        rows.document(title, project=novels)

    html = get(admin_client, PROJECTS).html

    for project, count in ((novels, 2), (letters, 0)):
        documents = reverse("admin:documents_document_changelist", query={"project__id__exact": project.pk})
        assert f'<a href="{documents}" class="text-link">{count}</a>' in html


def test_a_list_takes_as_many_statements_whatever_its_length(admin_client: Client) -> None:
    rows.project()
    few = statements(admin_client, PROJECTS)
    for number in range(20):
        rows.document(project=rows.project(f"Project {number}", owner=f"user-{number}"))

    assert len(statements(admin_client, PROJECTS)) == len(few)


def test_a_project_is_added_and_renamed(admin_client: Client) -> None:
    jane = User.objects.create_user("jane")

    admin_client.post(reverse("admin:projects_project_add"), {"name": "Novels", "owner": jane.pk})
    project = Project.objects.get()
    assert (project.name, project.owner) == ("Novels", jane)

    admin_client.post(
        reverse("admin:projects_project_change", args=[project.pk]), {"name": "Early novels", "owner": jane.pk}
    )
    project.refresh_from_db()
    assert project.name == "Early novels"


def test_projects_are_found_by_name_and_by_owner(admin_client: Client) -> None:
    rows.project("Novels", owner="jane")
    rows.project("Poems", owner="emily")

    for term in ("poem", "emily"):
        text = get(admin_client, PROJECTS, q=term).text
        assert "Poems" in text
        assert "Novels" not in text


def test_what_a_project_holds_is_text(admin_client: Client) -> None:
    project = rows.project(SCRIPT, owner=SCRIPT)

    for address in (PROJECTS, reverse("admin:projects_project_change", args=[project.pk])):
        page = get(admin_client, address)
        assert SCRIPT not in page.html
        assert "alert(1)" in page.text


def test_a_projects_page_leads_to_its_newest_report(admin_client: Client) -> None:
    project = rows.project()
    address = reverse("admin:projects_project_change", args=[project.pk])
    assert "report.pdf" not in get(admin_client, address).html
    ReportService.generate(project)

    html = get(admin_client, address).html

    for kind in ("html", "pdf"):
        assert f'<a href="/projects/{project.pk}/report.{kind}" class="text-link">' in html


def test_reports_of_selected_projects_are_started(admin_client: Client) -> None:
    chosen = [rows.project("Novels"), rows.project("Letters")]
    rows.project("Poems")
    keys = [project.pk for project in chosen]

    response = admin_client.post(PROJECTS, {"action": "make_report", "_selected_action": keys}, follow=True)

    assert "2 reports on the way." in response.content.decode()
    started = TaskStatus.objects.order_by("related_object_id").values_list("related_object_id", flat=True)
    assert list(started) == keys


def test_a_project_with_reports_can_be_deleted(admin_client: Client) -> None:
    project = rows.project()
    ReportService.generate(project)

    admin_client.post(reverse("admin:projects_project_delete", args=[project.pk]), {"post": "yes"})

    assert not Project.objects.exists()
    assert not StoredFile.objects.exists()
