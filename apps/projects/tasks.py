"""The actors of projects. Each loads by id, calls one service and returns small JSON.

Every process imports this module at its start, so services are imported on use.
"""

import logging
import uuid
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage
from periodiq import cron

from apps.projects import report_types
from apps.projects.errors import MailRefusedError, UnknownReportTypeError
from apps.tasks.schedules.allowed import schedulable

logger = logging.getLogger(__name__)

MINUTE_MS = 60 * 1_000


@dramatiq.actor(
    actor_name="projects.generate_project_report",
    queue_name="default",
    unique=True,
    max_retries=3,
    time_limit=30 * MINUTE_MS,
    idempotent=True,
    related_to="projects.Project",
    fair_by="owner",
)
def generate_project_report(project_id: int) -> dict[str, Any]:
    """Make a report of a project and its documents, as HTML and PDF. Return the main figures."""
    from apps.projects.models import Project
    from apps.projects.services.report_service import ReportService

    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        logger.warning("project gone id=%s", project_id)
        return {"note": f"Project {project_id} no longer exists."}
    try:
        report, figures = ReportService.generate(project, task_id=_task_id() or "")
    except Project.DoesNotExist:
        logger.warning("project gone meanwhile id=%s", project_id)
        return {"note": f"Project {project_id} no longer exists."}
    return {
        "project_id": project_id,
        "report_id": report.pk,
        "documents": figures.documents,
        "processed": figures.processed,
        "words": figures.words,
        "chapters": figures.chapters,
        "reading_minutes": figures.reading_minutes,
    }


@dramatiq.actor(
    actor_name="projects.send_weekly_report",
    queue_name="default",
    max_retries=3,
    time_limit=5 * MINUTE_MS,
    idempotent=True,
    periodic=cron("0 8 * * 1"),
    periodic_kwargs={"report_type": "summary"},
    throws=(UnknownReportTypeError,),
)
def send_weekly_report(report_type: str = "summary") -> dict[str, Any]:
    """Send a task for each owner of a project. A failing address then stops no other mail."""
    from apps.projects.services.report_service import ReportService

    report_types.check(report_type)
    ReportService.forget_mailings()
    owner_ids = ReportService.owners_to_mail()
    messages = [
        send_report_to_owner.message_with_options(args=(owner_id, report_type), owner_id=owner_id)
        for owner_id in owner_ids
    ]
    parent_id = _task_id()
    if parent_id is not None:
        # A second run gives the children the same ids, and the ledger records each id only once.
        messages = [
            message.copy(message_id=_child_id(parent_id, owner_id))
            for message, owner_id in zip(messages, owner_ids, strict=True)
        ]
    broker: Any = send_report_to_owner.broker
    broker.send_many(messages)
    return {"report_type": report_type, "owners": len(owner_ids)}


schedulable(send_weekly_report, permission="projects.change_project")


@dramatiq.actor(
    actor_name="projects.send_report_to_owner",
    queue_name="mail",
    # Three hours for a mail server that is down or defers the mail.
    max_retries=8,
    time_limit=5 * MINUTE_MS,
    idempotent=True,
    min_backoff=MINUTE_MS,
    max_backoff=60 * MINUTE_MS,
    related_to="accounts.User",
    throws=(UnknownReportTypeError, MailRefusedError),
)
def send_report_to_owner(owner_id: int, report_type: str) -> dict[str, Any]:
    """Mail one owner the reports of their projects. A permanently refused address fails at once."""
    from apps.projects.services.report_service import ReportService

    mailed = ReportService.mail_owner(owner_id, report_type=report_type, task_id=_task_id())
    if not mailed:
        return {"mailed": False, "note": f"User {owner_id} has no project, no address, or is gone."}
    return {"mailed": True}


@dramatiq.actor(
    actor_name="projects.send_invitation",
    queue_name="mail",
    max_retries=8,
    time_limit=5 * MINUTE_MS,
    idempotent=True,
    min_backoff=MINUTE_MS,
    max_backoff=60 * MINUTE_MS,
    related_to="projects.Invitation",
    throws=(MailRefusedError,),
)
def send_invitation(invitation_id: int, page_url: str) -> dict[str, Any]:
    """Mail the link of an invitation. A permanently refused address fails at once."""
    from apps.projects.services.invitation_service import InvitationService

    if not InvitationService.mail(invitation_id, page_url=page_url, task_id=_task_id() or ""):
        return {"mailed": False, "note": f"Invitation {invitation_id} is not open any more."}
    return {"mailed": True}


def _task_id() -> str | None:
    """Return the id of the running task. None: the actor was called as a function."""
    message = CurrentMessage.get_current_message()
    return None if message is None else message.message_id


def _child_id(parent_id: str, owner_id: int) -> str:
    return str(uuid.uuid5(uuid.UUID(parent_id), f"owner {owner_id}"))
