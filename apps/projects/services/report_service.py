"""Reports on projects, and the weekly mail to their owners."""

import logging
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.db import DatabaseError, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from apps.accounts.quotas import metering
from apps.accounts.quotas.limits import limits_of
from apps.core import mail as core_mail
from apps.core.owned_file import saved
from apps.projects import report_types
from apps.projects.models import Mailing, Project, Report, report_storage, stored_name
from apps.projects.reports.figures import Figures, gather
from apps.projects.services.starting import start_for
from apps.tasks import progress
from apps.tasks.models import TaskStatus

logger = logging.getLogger(__name__)

#: The actor that makes a project's report.
GENERATE_PROJECT_REPORT = "projects.generate_project_report"
#: How far the task is, in percent, when the figures are there, then the page, then the PDF.
FIGURES_END, PAGE_END, PDF_END = 60, 75, 95
#: By then no task that sent a mail is tried again.
MAILINGS_KEPT = timedelta(days=60)


class ReportService:
    """All operations on reports. Views and actors call these and nothing below them."""

    @staticmethod
    def start(project: Project, *, owner_id: int | None) -> str:
        """Send the task that makes the project's report, or find the unfinished one. Return its id.

        Parameters:
          owner_id: Primary key of the user who may see the task besides staff.
        Raises:
          QuotaError: The user starts too many reports, or has too many tasks; the message is for the user.
          Project.DoesNotExist: The project was deleted.
        """
        return start_for(project, GENERATE_PROJECT_REPORT, owner_id=owner_id, rate=metering.REPORTS)

    @staticmethod
    def generate(project: Project, *, task_id: str = "") -> tuple[Report, Figures]:
        """Make a report of the project as it is, and store it as HTML and PDF. Old reports go.

        Parameters:
          task_id: The task that makes it.
        Returns:
          The report and the figures that it shows.
        Raises:
          Project.DoesNotExist: Somebody deleted the project meanwhile; nothing is left.
          OSError: The store of files did not take them; try again later.
        """
        from apps.projects.reports import html, pdf

        progress.set(0, "Reading the documents")
        figures = gather(project, end=FIGURES_END)
        progress.set(FIGURES_END, "Drawing the page")
        page = html.render(figures)
        progress.set(PAGE_END, "Setting the PDF")
        paper = pdf.render(figures)
        progress.set(PDF_END, "Storing the report")
        report = _store(Report(project=project, task_id=task_id), page=page, paper=paper)
        progress.set(100, "Done")
        return report, figures

    @staticmethod
    def newest_task(project: Project) -> TaskStatus | None:
        """Return the newest task that makes, made or will make the project's report."""
        return TaskStatus.objects.about(project).filter(task_name=GENERATE_PROJECT_REPORT).order_by("-pk").first()

    @staticmethod
    def newest(project: Project) -> Report | None:
        """The report that counts."""
        return project.reports.order_by("-pk").first()

    @staticmethod
    def owners_to_mail() -> list[int]:
        """The ids of the users who may sign in, have an address and own a project."""
        users = get_user_model().objects.filter(is_active=True, projects__isnull=False).exclude(email="")
        return list(users.order_by("pk").distinct().values_list("pk", flat=True))

    @staticmethod
    def mail_owner(owner_id: int, *, report_type: str, task_id: str | None = None) -> bool:
        """Mail a user the reports of all their projects, once a task.

        That the server took the mail is written down at once, and an attempt that finds it written sends nothing. So a
        mail goes out twice only where the process dies, or the server's answer is lost, between the server's yes and
        that row. Both mails then have the same Message-ID, by which servers and readers may drop the second.

        Parameters:
          task_id: The task that sends it. None: nothing is written down.
        Returns:
          Whether the user has the mail; not one who is gone, may not sign in, or lost address or projects.
        Raises:
          UnknownReportTypeError: There is no such report.
          MailRefusedError: The mail server refused it for good.
          OSError: The mail server did not take it; try again later.
        """
        from apps.projects.reports import mail

        report_types.check(report_type)
        owner = get_user_model().objects.filter(pk=owner_id, is_active=True).exclude(email="").first()
        projects = Project.objects.filter(owner_id=owner_id).select_related("owner").order_by("name", "pk")
        count = projects.count() if owner else 0
        if owner is None or not count:
            return False
        if task_id and Mailing.objects.filter(task_id=task_id).exists():
            return True
        progress.set(0, "Reading the projects")
        sections: list[mail.Section] = []
        for project in progress.track(projects[: mail.MAX_NAMED], "Projects", total=min(count, mail.MAX_NAMED), end=90):
            # Told once, the figures are let go: those of many projects would take much memory.
            shown = sum(bool(section.tiles) for section in sections) < mail.MAX_SHOWN
            sections.append(mail.section(gather(project, end=0), is_shown=shown))
        progress.set(90, "Sending the mail")
        message_id = mail.message_id(task_id) if task_id else None
        message = mail.compose(sections, projects=count, to=owner.email, message_id=message_id)
        sent = core_mail.send(message)
        if sent and task_id and message_id:
            _write_down(Mailing(task_id=task_id, owner_id=owner_id, message_id=message_id))
        return sent

    @staticmethod
    def forget_mailings() -> int:
        """Delete what was written down of mails so old that no task asks for them. Returns how many they were."""
        deleted, _ = Mailing.objects.filter(created_at__lt=timezone.now() - MAILINGS_KEPT).delete()
        return deleted


def _store(report: Report, *, page: bytes, paper: bytes) -> Report:
    """Write the files and the row, and delete the reports that are too many. All of it, or nothing."""
    storage = report_storage()
    with (
        saved(storage, stored_name(report, "report.html"), ContentFile(page)) as report.html,
        saved(storage, stored_name(report, "report.pdf"), ContentFile(paper)) as report.pdf,
    ):
        metering.lock(report.project.owner_id)
        # Locked: of a project that is deleted meanwhile no report is left.
        Project.objects.select_for_update().only("pk").get(pk=report.project_id)
        report.save()
        kept = Report.objects.filter(project_id=report.project_id).order_by("-pk").values_list("pk", flat=True)
        Report.objects.filter(pk__in=list(kept[settings.REPORTS_KEPT :])).delete()
        _make_room(report.project.owner_id)
    return report


def _make_room(owner_id: int) -> None:
    """Delete a user's oldest reports that are too many, but not the newest one of a project."""
    limit = limits_of(owner_id).reports_kept
    if not limit:
        return
    reports = Report.objects.filter(project__owner_id=owner_id)
    newest = Report.objects.filter(project=OuterRef("project")).order_by("-pk").values("pk")[:1]
    too_many = reports.count() - limit
    if too_many > 0:
        older = reports.exclude(pk=Subquery(newest)).order_by("pk").values_list("pk", flat=True)
        Report.objects.filter(pk__in=list(older[:too_many])).delete()


def _write_down(mailing: Mailing) -> None:
    """Note that the mail was taken. If that fails, the task must not fail: its second attempt would mail again."""
    try:
        with transaction.atomic():
            mailing.save()
    except DatabaseError:
        logger.exception("mail was taken and that is not written down message_id=%s", mailing.message_id)
