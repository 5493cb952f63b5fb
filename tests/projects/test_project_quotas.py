"""Quotas of projects, of tasks that wait or run, and of reports."""

from typing import Any

import dramatiq
import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import Allowance, User
from apps.accounts.quotas.errors import QuotaError
from apps.documents.models import Document
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Membership, Project, Report, Role
from apps.projects.services.project_service import ProjectService
from apps.projects.services.report_service import ReportService
from apps.tasks import states
from apps.tasks.models import TaskStatus
from tests import rows
from tests.at_once import at_once
from tests.clients import Writer

pytestmark = pytest.mark.django_db


def finish_all() -> None:
    TaskStatus.objects.update(status=states.COMPLETED, finished_at="2026-11-28T00:00:00Z")


# --- Projects ------------------------------------------------------------------------------------


def test_a_project_too_many_is_refused_in_a_sentence(jane: Writer, settings: Settings) -> None:
    settings.QUOTA_PROJECTS = 2
    answers = [jane.post("/api/projects/", {"name": "Emma"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 413]
    assert answers[0].json()["name"] == "Emma"
    assert answers[2].json() == {"detail": "You have 2 of 2 projects. Delete one, or ask an administrator for more."}
    Project.objects.first().delete()  # type: ignore[union-attr]
    assert jane.post("/api/projects/", {"name": "Emma"}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_projects_made_at_once_do_not_pass_the_quota(settings: Settings) -> None:
    settings.QUOTA_PROJECTS = 2
    jane = User.objects.create_user("jane")

    def create(_: int) -> bool:
        try:
            ProjectService.create(owner=jane, name="Emma")
        except QuotaError:
            return False
        return True

    assert sum(at_once(create, times=6)) == Project.objects.count() == 2


def test_the_admin_refuses_a_project_too_many_beside_its_owner(admin_client: Client, settings: Settings) -> None:
    settings.QUOTA_PROJECTS = 1
    jane = rows.project().owner
    emilys = rows.project(owner="emily")
    for address in (reverse("admin:projects_project_add"), reverse("admin:projects_project_change", args=[emilys.pk])):
        response = admin_client.post(address, {"name": "Emma", "owner": jane.pk})
        assert response.status_code == 200
        sentence = "This user has 1 of 1 projects. One has to be deleted first, or ask an administrator for more."
        assert sentence in response.content.decode()
    emilys.refresh_from_db()
    assert (emilys.name, emilys.owner.username, Project.objects.count()) == ("Novels", "emily", 2)


def test_the_admin_renames_a_project_of_an_owner_who_has_as_many_as_may_be(
    admin_client: Client, settings: Settings
) -> None:
    project = rows.project()
    settings.QUOTA_PROJECTS = 1
    form = {"name": "Emma", "owner": project.owner.pk}
    response = admin_client.post(reverse("admin:projects_project_change", args=[project.pk]), form)
    assert response.status_code == 302


def test_a_project_is_not_handed_over_to_a_member_who_has_as_many_as_may_be(
    client: Client, project: Project, settings: Settings
) -> None:
    settings.QUOTA_PROJECTS = 1
    emily = rows.project(owner="emily").owner
    Membership.objects.create(project=project, user=emily, role=Role.EDITOR)
    client.force_login(project.owner)
    address = reverse("pages:hand-over", args=[project.pk, emily.pk])
    page = client.post(address, follow=True).content.decode()
    assert "was not handed over. This user has 1 of 1 projects. One has to be deleted first" in page
    project.refresh_from_db()
    assert project.owner.username == "jane"


# --- Tasks ---------------------------------------------------------------------------------------


def test_a_task_too_many_is_refused_until_another_has_ended(
    jane: Writer, project: Project, settings: Settings, broker: object
) -> None:
    settings.QUOTA_TASKS = 2
    addresses = [f"/api/documents/{rows.document(project=project).pk}/process/" for _ in range(3)]
    addresses.append(f"/api/projects/{project.pk}/report/")
    assert [jane.post(address).status_code for address in addresses] == [202, 202, 429, 429]
    answer = jane.post(addresses[2])
    assert answer.headers["Retry-After"] == "10"
    assert answer.json() == {
        "detail": "You have 2 of the 2 tasks that may wait or run at once. Try again when some have ended."
    }
    assert Document.objects.filter(status=Document.Status.PROCESSING).count() == 2
    # One that is unfinished is found, since nothing new starts.
    assert jane.post(addresses[0]).status_code == 202
    finish_all()
    assert jane.post(addresses[2]).status_code == 202


def test_tasks_of_other_users_and_of_nobody_do_not_count(
    jane: Writer, project: Project, settings: Settings, broker: object
) -> None:
    settings.QUOTA_TASKS = 1
    rows.task(owner=User.objects.create_user("emily"))
    rows.task()
    assert jane.post(f"/api/projects/{project.pk}/report/").status_code == 202


def test_a_task_without_a_user_has_no_quota(project: Project, settings: Settings, broker: object) -> None:
    settings.QUOTA_TASKS = 1
    for _ in range(3):
        DocumentService.start_processing(rows.document(project=project), owner_id=None)
    assert TaskStatus.objects.count() == 3


def test_an_allowance_takes_more_tasks(jane: Writer, project: Project, settings: Settings, broker: object) -> None:
    settings.QUOTA_TASKS = 1
    Allowance.objects.create(user=jane.user, tasks=0)
    for _ in range(3):
        assert jane.post(f"/api/documents/{rows.document(project=project).pk}/process/").status_code == 202


@pytest.mark.django_db(transaction=True)
def test_tasks_started_at_once_do_not_pass_the_quota(settings: Settings, broker: object) -> None:
    settings.QUOTA_TASKS = 2
    project = rows.project()
    documents = [rows.document(project=project) for _ in range(5)]

    def start(number: int) -> bool:
        try:
            DocumentService.start_processing(documents[number], owner_id=project.owner_id)
        except QuotaError:
            return False
        return True

    assert sum(at_once(start, times=5)) == TaskStatus.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_upload_and_a_report_at_once_do_not_wait_for_each_other_for_ever(settings: Settings, broker: object) -> None:
    project = rows.project()

    def act(number: int) -> None:
        for _ in range(5):
            if number % 2:
                ReportService.start(project, owner_id=project.owner_id)
                finish_all()
            else:
                DocumentService.create(project=project, title="Emma", text="Emma.", sender_id=project.owner_id)

    at_once(act, times=4)
    assert Document.objects.count() == 10


def test_the_admin_says_that_a_member_of_staff_has_too_many_tasks(
    admin_client: Client, settings: Settings, broker: object
) -> None:
    settings.QUOTA_TASKS = 1
    documents = [rows.document(project=rows.project()) for _ in range(3)]
    form = {"action": "process", "_selected_action": [document.pk for document in documents]}
    page = admin_client.post(reverse("admin:documents_document_changelist"), form, follow=True).content.decode()
    assert "Processing started for 1 document." in page
    assert "You have 1 of the 1 tasks that may wait or run at once." in page
    form = {"action": "make_report", "_selected_action": [document.project_id for document in documents]}
    page = admin_client.post(reverse("admin:projects_project_changelist"), form, follow=True).content.decode()
    assert "You have 1 of the 1 tasks that may wait or run at once." in page


def test_finished_tasks_cost_a_count_nothing(jane: Writer) -> None:
    now = timezone.now()
    done = {"owner": jane.user, "task_name": "x", "run_at": now, "finished_at": now, "status": states.COMPLETED}
    TaskStatus.objects.bulk_create([TaskStatus(task_id=str(number), **done) for number in range(500)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_taskstatus")
    assert "tasks_owner_unfinished" in TaskStatus.objects.unfinished_of(jane.user.pk).explain()


@pytest.mark.parametrize("status", states.STATES)
def test_unfinished_tasks_are_those_without_an_end(jane: Writer, status: str, broker: object) -> None:
    message: dramatiq.Message[Any] = (
        dramatiq.get_broker().get_actor("acting.say").message_with_options(args=("x",), owner_id=jane.user.pk)
    )
    dramatiq.get_broker().enqueue(message)
    assert TaskStatus.objects.unfinished_of(jane.user.pk).exists()
    TaskStatus.objects.update(status=status, finished_at=None if status in states.UNFINISHED else "2026-11-28T00:00Z")
    is_unfinished = TaskStatus.objects.unfinished().exists()
    assert TaskStatus.objects.unfinished_of(jane.user.pk).exists() is is_unfinished


# --- Reports -------------------------------------------------------------------------------------


def test_reports_too_fast_are_refused_with_the_time_to_wait(
    jane: Writer, project: Project, settings: Settings, broker: object
) -> None:
    settings.QUOTA_REPORTS_AN_HOUR = 2
    address = f"/api/projects/{project.pk}/report/"
    for expected in (202, 202, 429):
        answer = jane.post(address)
        assert answer.status_code == expected
        # One that is under way is found and does not count.
        if expected == 202:
            assert jane.post(address).json() == answer.json()
        finish_all()
    assert 1_700 <= int(answer.headers["Retry-After"]) <= 1_800
    assert answer.json()["detail"] == (
        "You have started 2 reports within an hour, as many as you may. Start the next one in 30 minutes."
    )


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reports without contents."""
    monkeypatch.setattr("apps.projects.reports.html.render", lambda figures: b"page")
    monkeypatch.setattr("apps.projects.reports.pdf.render", lambda figures: b"paper")


def report_of(project: Project) -> Report:
    return ReportService.generate(project)[0]


def test_of_a_user_the_newest_reports_are_kept(settings: Settings, blank: None) -> None:
    settings.QUOTA_REPORTS_KEPT = 3
    first, second, others = rows.project("First"), rows.project("Second"), rows.project(owner="emily")
    kept = [report_of(others) for _ in range(2)]
    old = [report_of(first) for _ in range(2)]
    kept += [report_of(second) for _ in range(2)]
    assert set(Report.objects.all()) == {*kept, old[1]}
    kept += [report_of(second)]
    # The newest one of a project stays, although it is the oldest.
    assert set(Report.objects.all()) == {*kept, old[1]} - {kept[2]}


def test_the_last_report_of_a_project_stays_whatever_the_quota(settings: Settings, blank: None) -> None:
    settings.QUOTA_REPORTS_KEPT = 1
    reports = [report_of(rows.project(f"Novel {number}")) for number in range(3)]
    assert set(Report.objects.all()) == set(reports)


def test_without_a_quota_reports_are_kept_by_project_alone(settings: Settings, blank: None) -> None:
    settings.QUOTA_REPORTS_KEPT = 0
    project = rows.project()
    for _ in range(settings.REPORTS_KEPT + 1):
        report_of(project)
    assert Report.objects.count() == settings.REPORTS_KEPT
