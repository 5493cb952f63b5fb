"""Reports on projects, and the weekly mail to their owners.

Projects know nothing of documents: those register a provider that tells what a project holds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import transaction

from apps.projects import report_types
from apps.projects.models import Project
from apps.tasks import progress
from apps.tasks.models import TaskStatus

#: The actor that makes a project's report.
GENERATE_PROJECT_REPORT = "projects.generate_project_report"
#: A report names so many documents; of the others it says how many they are. Totals cover all.
MAX_DOCUMENT_LINES = 200


@dataclass(frozen=True, kw_only=True)
class DocumentLine:
    """What a report says of one document.

    Parameters:
      status: In words, such as "Processed".
      words, reading_minutes: None where it was not processed yet.
    """

    title: str
    status: str
    words: int | None
    reading_minutes: float | None
    chapters: int


#: Tells the documents of a project, by the project's id.
DocumentsProvider = Callable[[int], Iterable[DocumentLine]]


def _no_documents(project_id: int) -> Iterable[DocumentLine]:
    return ()


_documents_of: DocumentsProvider = _no_documents


def register_documents_provider(provider: DocumentsProvider) -> None:
    """Say where reports learn of a project's documents. The last one that is registered counts."""
    global _documents_of
    _documents_of = provider


@dataclass(frozen=True, kw_only=True)
class Report:
    """A project in figures.

    Parameters:
      documents, processed: How many documents there are, and how many of them have figures.
      words, chapters, reading_minutes: Totals over the documents that have figures.
      text: The report as plain text.
    """

    project_id: int
    documents: int
    processed: int
    words: int
    chapters: int
    reading_minutes: float
    text: str


class ReportService:
    """The verbs of reports. The views and the actors call these and nothing below them."""

    @staticmethod
    def start(project: Project, *, owner_id: int | None) -> str:
        """Send the task that makes the project's report, unless one is on its way already.

        The project's row is locked meanwhile, so of two requests at once the second gets the first one's task.

        Parameters:
          owner_id: The user who may see the task besides staff.
        Returns:
          The id of the task, new or running.
        Raises:
          Project.DoesNotExist: Somebody deleted it.
        """
        from apps.projects.tasks import generate_project_report

        with transaction.atomic():
            Project.objects.select_for_update().only("pk").get(pk=project.pk)
            tasks = TaskStatus.objects.about(project).filter(task_name=GENERATE_PROJECT_REPORT)
            running = tasks.unfinished().order_by("-pk").first()
            if running is not None:
                return running.task_id
            message = generate_project_report.send_with_options(args=(project.pk,), owner_id=owner_id)
        return str(message.message_id)

    @staticmethod
    def generate(project: Project) -> Report:
        """The figures of a project and of each of its documents."""
        progress.set(0, "Reading the documents")
        lines: list[str] = []
        documents = processed = words = chapters = 0
        reading_minutes = 0.0
        for document in _documents_of(project.pk):
            documents += 1
            if document.words is not None:
                processed += 1
                words += document.words
                chapters += document.chapters
                reading_minutes += document.reading_minutes or 0
            if documents <= MAX_DOCUMENT_LINES:
                lines.append(_line(document))
        if documents > MAX_DOCUMENT_LINES:
            lines.append(f"- and {documents - MAX_DOCUMENT_LINES:,} more")
        head = [
            project.name,
            f"{counted(documents, 'document')}, {processed:,} processed",
            f"{counted(words, 'word')} in {counted(chapters, 'chapter')}, {duration(reading_minutes)} to read",
        ]
        progress.set(100, "Done")
        return Report(
            project_id=project.pk,
            documents=documents,
            processed=processed,
            words=words,
            chapters=chapters,
            reading_minutes=round(reading_minutes, 2),
            text="\n".join([*head, *([""] if lines else []), *lines]),
        )

    @staticmethod
    def owners_to_mail() -> list[int]:
        """The ids of the users who may sign in, have an address and own a project."""
        users = get_user_model().objects.filter(is_active=True, projects__isnull=False).exclude(email="")
        return list(users.order_by("pk").distinct().values_list("pk", flat=True))

    @staticmethod
    def mail_owner(owner_id: int, *, report_type: str) -> bool:
        """Mail a user the reports of all their projects.

        The mail is the last thing that happens: what fails before is safe to try again.

        Returns:
          Whether it was sent; not to a user who is gone, may not sign in, or lost address or projects.
        Raises:
          UnknownReportType: There is no such report.
          OSError: The mail server did not take it; try again later.
        """
        report_types.check(report_type)
        owner = get_user_model().objects.filter(pk=owner_id, is_active=True).exclude(email="").first()
        projects = list(Project.objects.filter(owner_id=owner_id).order_by("name", "pk")) if owner else []
        if owner is None or not projects:
            return False
        subject, body = MAKERS[report_type](projects)
        return bool(EmailMessage(subject=subject, body=body, to=[owner.email]).send())


def _summary(projects: Sequence[Project]) -> tuple[str, str]:
    """The subject and the body of the weekly summary."""
    reports = [ReportService.generate(project) for project in projects]
    words = sum(report.words for report in reports)
    subject = f"Weekly summary: {counted(len(reports), 'project')}, {counted(words, 'word')}"
    rule = "\n\n" + "-" * 40 + "\n\n"
    return subject, rule.join(report.text for report in reports) + "\n"


#: What makes the subject and the body of each type of report.
MAKERS: dict[str, Callable[[Sequence[Project]], tuple[str, str]]] = {"summary": _summary}


def _line(document: DocumentLine) -> str:
    if document.words is None:
        return f"- {document.title}: {document.status.lower()}"
    return (
        f"- {document.title}: {counted(document.words, 'word')}, {counted(document.chapters, 'chapter')}, "
        f"{duration(document.reading_minutes or 0)}"
    )


def counted(number: int, noun: str) -> str:
    """Such as "1 word" and "1,234 words"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(minutes: float) -> str:
    """Such as "45 min" and "8 h 50 min", to the minute, and never "0 min" for something."""
    whole = max(round(minutes), 1) if minutes else 0
    hours, rest = divmod(whole, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
