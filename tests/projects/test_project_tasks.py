import smtplib
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from apps.core.models import User
from apps.projects import tasks
from apps.projects.models import Project
from apps.projects.report_types import UnknownReportType
from apps.projects.services.report_service import ReportService
from apps.tasks.models import TaskStatus

# A worker in the test's own process.


@pytest.fixture
def owners(db: None) -> list[User]:
    """Three owners of a project each."""
    found = [User.objects.create_user(name, email=f"{name}@example.com") for name in ("anne", "charlotte", "emily")]
    for owner in found:
        Project.objects.create(owner=owner, name=f"{owner.username}'s novel")
    return found


def test_the_actors_are_declared_as_the_guidelines_say() -> None:
    assert tasks.generate_project_report.actor_name == "projects.generate_project_report"
    assert tasks.generate_project_report.options["related_to"] == "projects.Project"
    weekly = tasks.send_weekly_report
    assert (weekly.actor_name, weekly.queue_name) == ("projects.send_weekly_report", "default")
    assert weekly.options["periodic"].parsed_from == "0 8 * * 1"
    assert weekly.options["periodic_kwargs"] == {"report_type": "summary"}


def test_a_report_is_returned_as_small_json(owners: list[User]) -> None:
    project = Project.objects.get(owner=owners[0])
    assert tasks.generate_project_report(project.pk) == {
        "project_id": project.pk,
        "documents": 0,
        "processed": 0,
        "words": 0,
        "chapters": 0,
        "reading_minutes": 0.0,
        "text": "anne's novel\n0 documents, 0 processed\n0 words in 0 chapters, 0 min to read",
    }


def test_a_project_that_is_gone_is_a_note_and_no_failure(db: None) -> None:
    assert tasks.generate_project_report(7) == {"note": "Project 7 no longer exists."}


def test_the_weekly_report_is_a_task_for_each_owner(owners: list[User]) -> None:
    assert tasks.send_weekly_report() == {"report_type": "summary", "owners": 3}
    rows = TaskStatus.objects.order_by("pk").values_list("task_name", "args", "owner_id", "related_object_type")
    assert list(rows) == [
        ("projects.send_report_to_owner", [owner.pk, "summary"], owner.pk, "core.User") for owner in owners
    ]
    assert mail.outbox == []


def test_an_unknown_report_is_refused_before_anything_is_sent(owners: list[User]) -> None:
    with pytest.raises(UnknownReportType, match="must be one of: summary"):
        tasks.send_weekly_report("sumary")
    assert not TaskStatus.objects.exists()


def test_an_owner_that_is_gone_is_a_note_and_no_failure(db: None) -> None:
    assert tasks.send_report_to_owner(7, "summary") == {
        "mailed": False,
        "note": "User 7 has no project, no address, or is gone.",
    }


# --- With a worker -------------------------------------------------------------------------------


class PickyServer(EmailBackend):
    """Takes no mail for Charlotte."""

    def send_messages(self, messages: Any) -> int:
        if any("charlotte@example.com" in message.to for message in messages):
            raise smtplib.SMTPRecipientsRefused({"charlotte@example.com": (550, b"No such user")})
        return super().send_messages(messages)


@pytest.mark.usefixtures("working")
def test_one_address_that_fails_stops_no_other(
    owners: list[User], settings: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.PickyServer"
    monkeypatch.setitem(tasks.send_report_to_owner.options, "max_retries", 1)
    monkeypatch.setitem(tasks.send_report_to_owner.options, "min_backoff", 1)
    tasks.send_weekly_report.send()
    wait_until(lambda: TaskStatus.objects.finished().count() == 4, timeout=20)
    by_args = dict(TaskStatus.objects.filter(task_name="projects.send_report_to_owner").values_list("owner", "status"))
    anne, charlotte, emily = (owner.pk for owner in owners)
    assert by_args == {anne: "completed", charlotte: "failed", emily: "completed"}
    assert sorted(message.to[0] for message in mail.outbox) == ["anne@example.com", "emily@example.com"]


@pytest.mark.usefixtures("working")
def test_a_weekly_report_that_runs_again_mails_nobody_twice(
    owners: list[User], monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    find, calls = ReportService.owners_to_mail, []
    send_many = tasks.send_report_to_owner.broker.send_many

    def lose_the_answer(messages: list[dramatiq.Message]) -> None:
        send_many(messages)
        calls.append([message.message_id for message in messages])
        if len(calls) == 1:
            raise ConnectionError("it was sent, but we do not know")

    monkeypatch.setattr(tasks.send_report_to_owner.broker, "send_many", lose_the_answer)
    monkeypatch.setitem(tasks.send_weekly_report.options, "min_backoff", 1)
    assert len(find()) == 3
    message = tasks.send_weekly_report.send()
    wait_until(lambda: TaskStatus.objects.finished().count() == 4, timeout=20)
    parent = TaskStatus.objects.get(task_id=message.message_id)
    assert (parent.status, parent.retries) == ("completed", 1)
    assert calls[0] == calls[1]
    assert sorted(message.to[0] for message in mail.outbox) == [owner.email for owner in owners]
