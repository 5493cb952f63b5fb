"""The weekly mail, at a real SMTP server."""

import smtplib
import socket
import struct
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pypdfium2
import pytest
from django.core import mail
from django.db import DatabaseError

from apps.accounts.models import User
from apps.documents.models import Analysis
from apps.documents.services.document_service import DocumentService
from apps.projects import tasks
from apps.projects.errors import MailRefusedError, UnknownReportTypeError
from apps.projects.models import Mailing, Project
from apps.projects.reports import mail as mails
from apps.projects.services.report_service import ReportService
from apps.tasks.models import TaskStatus
from tests.commands import RunningCommand
from tests.pages import Page
from tests.projects.mail_server import Handler, mail_server

TEXT = "Chapter 1\n\nIt began.\n\nChapter 2\n\nIt ended.\n"
OWNER_TASK = "projects.send_report_to_owner"


@pytest.fixture
def server(settings: Any) -> Iterator[Handler]:
    """A mail server, and settings that name it."""
    with mail_server() as (handler, port):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.DEFAULT_FROM_EMAIL = "aiWriting <reports@writing.example>"
        yield handler


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries after a millisecond, at most three."""
    for actor in (tasks.send_report_to_owner, tasks.send_weekly_report):
        for option, value in (("min_backoff", 1), ("max_backoff", 2), ("max_retries", 3)):
            monkeypatch.setitem(actor.options, option, value)


def processed(project: Project, *titles: str, text: str = TEXT) -> None:
    for title in titles:
        document = DocumentService.create(project=project, title=title, text=text)
        DocumentService.process_document(document)


def send(project: Project, task_id: str | None = "task-1") -> bool:
    return ReportService.mail_owner(project.owner_id, report_type="summary", task_id=task_id)


def parts(message: EmailMessage, kind: str) -> list[EmailMessage]:
    return [part for part in message.walk() if part.get_content_type() == kind]


# --- The mail that arrives ------------------------------------------------------------------------


def test_the_mail_arrives_as_text_and_as_html_with_its_plots_inside(project: Project, server: Handler) -> None:
    processed(project, "Emma", "Persuasion")
    assert send(project)
    (message,) = server.taken
    assert (message["To"], message["From"]) == ("jane@example.com", "aiWriting <reports@writing.example>")
    assert message["Subject"] == "Weekly summary: 1 project, 16 words"
    assert message["Auto-Submitted"] == "auto-generated"
    body, page = message.get_body(("plain",)), message.get_body(("html",))
    assert body is not None
    assert page is not None
    assert "- Emma: 8 words, 2 chapters, 1 min" in body.get_content()
    shown = Page(page.get_content())
    assert "16 new words in 7 days" in shown.text
    assert shown.loads == [f"cid:{name}-{project.pk}@reports" for name in ("lengths", "readability")]
    assert all(attributes.get("alt") for tag, attributes in shown.elements if tag == "img")


def test_the_plots_are_pictures_that_belong_to_the_html(project: Project, server: Handler) -> None:
    processed(project, "Emma", "Persuasion")
    send(project)
    (message,) = server.taken
    (related,) = parts(message, "multipart/related")
    assert [part.get_content_type() for part in related.iter_parts()] == ["text/html", "image/png", "image/png"]
    for part in parts(message, "image/png"):
        assert part["Content-ID"].startswith("<")
        assert part.get_content_disposition() == "inline"
        content = part.get_content()
        assert content.startswith(b"\x89PNG\r\n")
        assert struct.unpack(">I", content[16:20]) > (900,)


def test_the_report_is_attached_as_a_pdf(project: Project, server: Handler) -> None:
    processed(project, "Emma")
    send(project)
    (message,) = server.taken
    assert message.get_content_type() == "multipart/mixed"
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("Novels.pdf", "application/pdf")
    document = pypdfium2.PdfDocument(attached.get_content())
    assert "Emma" in document[0].get_textpage().get_text_bounded()
    document.close()


def test_pdfs_that_are_too_large_together_are_left_out(
    project: Project, server: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails, "MAX_ATTACHED_BYTES", 1000)
    processed(project, "Emma")
    send(project)
    assert list(server.taken[0].iter_attachments()) == []
    assert len(parts(server.taken[0], "image/png")) == 2


def test_a_project_without_documents_is_named_without_plots(project: Project, server: Handler) -> None:
    assert send(project)
    (message,) = server.taken
    page = message.get_body(("html",))
    assert page is not None
    assert "Nothing new in the last 7 days" in page.get_content()
    assert "Novels" in Page(page.get_content()).text
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_the_projects_of_an_owner_are_in_one_mail(project: Project, server: Handler) -> None:
    processed(project, "Emma")
    Project.objects.create(owner=project.owner, name="Letters")
    send(project)
    (message,) = server.taken
    body = message.get_body(("plain",))
    assert body is not None
    letters, novels = body.get_content().split("-" * 40)
    assert letters.splitlines()[:2] == ["Letters", "0 documents, 0 processed"]
    assert "- Emma: 8 words, 2 chapters, 1 min" in novels


def test_characters_are_named_in_the_mail(project: Project, server: Handler) -> None:
    processed(project, "Emma")
    Analysis.objects.update(words=1_000, language="zh")
    send(project)
    (message,) = server.taken
    assert message["Subject"] == "Weekly summary: 1 project, 1,000 characters"
    page = message.get_body(("html",))
    assert page is not None
    assert "1,000 new characters in 7 days" in page.get_content()


def test_of_very_many_projects_the_first_are_named(
    project: Project, server: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails, "MAX_NAMED", 2)
    monkeypatch.setattr(mails, "MAX_SHOWN", 1)
    for name in ("Aaa", "Bbb", "Ccc"):
        processed(Project.objects.create(owner=project.owner, name=name), "Emma")
    send(project)
    (message,) = server.taken
    assert message["Subject"] == "Weekly summary: 4 projects"
    page = message.get_body(("html",))
    assert page is not None
    shown = Page(page.get_content())
    assert all(name in shown.text for name in ("Aaa", "Bbb", "And 2 more projects."))
    assert "Ccc" not in shown.text
    assert len(list(message.iter_attachments())) == 1


def test_what_writers_typed_is_text_in_the_mail(project: Project, server: Handler) -> None:
    Project.objects.update(name="<script>alert(1)</script>\nBcc: all@example.com")
    processed(project, "<img src=x>")
    assert send(project)
    (message,) = server.taken
    page = message.get_body(("html",))
    assert page is not None
    tags = [tag for tag, _ in Page(page.get_content()).elements]
    assert "script" not in tags
    assert tags.count("img") == len(parts(message, "image/png"))
    assert (message["Bcc"], server.asked) == (None, ["jane@example.com"])


def test_an_inactive_owner_or_one_without_address_or_project_is_not_mailed(project: Project, server: Handler) -> None:
    reader = User.objects.create_user("reader", email="reader@example.com")
    assert not ReportService.mail_owner(reader.pk, report_type="summary")
    for change in ({"email": ""}, {"email": "jane@example.com", "is_active": False}):
        User.objects.filter(pk=project.owner_id).update(**change)
        assert not send(project)
    assert not ReportService.mail_owner(project.owner_id + 1000, report_type="summary")
    assert (server.taken, server.asked) == ([], [])


def test_an_unknown_report_is_refused_with_the_known_ones(project: Project) -> None:
    with pytest.raises(UnknownReportTypeError, match="Unknown report_type 'sumary', must be one of: summary"):
        ReportService.mail_owner(project.owner_id, report_type="sumary")
    assert mail.outbox == []


def test_owners_with_a_project_and_an_address_are_mailed(project: Project) -> None:
    Project.objects.create(owner=project.owner, name="Letters")
    User.objects.create_user("reader", email="reader@example.com")
    without: list[dict[str, Any]] = [{"email": ""}, {"email": "gone@example.com", "is_active": False}]
    for number, fields in enumerate(without):
        Project.objects.create(owner=User.objects.create_user(f"user{number}", **fields), name="A")
    assert ReportService.owners_to_mail() == [project.owner_id]


# --- Once and not twice ---------------------------------------------------------------------------


def test_a_mail_that_was_taken_is_not_sent_again_by_its_task(project: Project, server: Handler) -> None:
    assert send(project)
    assert send(project)
    assert len(server.taken) == 1
    mailing = Mailing.objects.get()
    assert (mailing.task_id, mailing.owner) == ("task-1", project.owner)
    assert server.taken[0]["Message-ID"] == mailing.message_id == "<task-1@writing.example>"


def test_another_week_is_another_mail(project: Project, server: Handler) -> None:
    send(project, "task-1")
    send(project, "task-2")
    assert [message["Message-ID"] for message in server.taken] == [
        "<task-1@writing.example>",
        "<task-2@writing.example>",
    ]


def test_a_mail_that_the_server_refused_is_not_recorded(project: Project, server: Handler) -> None:
    server.answers["jane@example.com"] = ["451 Try later"]
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(project)
    assert not Mailing.objects.exists()
    assert send(project)
    assert len(server.taken) == 1


def test_a_task_completes_when_its_mail_cannot_be_recorded(
    project: Project, server: Handler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(mailing: Mailing) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(Mailing, "save", fail)
    assert send(project)
    assert len(server.taken) == 1
    assert "mail was taken and that is not written down message_id=<task-1@writing.example>" in caplog.text


def test_a_process_that_dies_after_the_server_accepted_mails_twice_with_one_message_id(
    project: Project, server: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(mailing: Mailing) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Mailing, "save", die)
        send(project)
    assert send(project)
    first, second = server.taken
    assert first["Message-ID"] == second["Message-ID"]


def test_old_mailings_are_deleted(project: Project, server: Handler) -> None:
    send(project, "old")
    Mailing.objects.update(created_at="2020-01-01T00:00Z")
    send(project, "new")
    assert ReportService.forget_mailings() == 1
    assert Mailing.objects.get().task_id == "new"


# --- A server that refuses ------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["550 No such user", "553 <jane@example.com> is no mailbox"])
def test_a_permanent_refusal_of_the_address_has_the_words_of_the_server(
    project: Project, server: Handler, answer: str
) -> None:
    server.answers["jane@example.com"] = [answer]
    with pytest.raises(MailRefusedError) as caught:
        send(project)
    assert str(caught.value) == f"The mail server refused the mail to jane@example.com for good: {answer}"


def test_a_permanent_refusal_of_the_mail_has_the_words_of_the_server(project: Project, server: Handler) -> None:
    server.data_answers = ["552 Too large"]
    with pytest.raises(MailRefusedError, match="for good: 552 Too large"):
        send(project)
    server.data_answers = ["452 Disk full"]
    with pytest.raises(smtplib.SMTPDataError):
        send(project)


@pytest.mark.parametrize("address", ["jane@example.com\nBcc: all@example.com", "jane doe@", "@"], ids=ascii)
def test_an_invalid_address_fails_for_good_before_the_server_is_asked(
    project: Project, server: Handler, address: str
) -> None:
    User.objects.update(email=address)
    with pytest.raises(MailRefusedError, match="it is no address that a mail can have"):
        send(project)
    assert (server.taken, server.asked) == ([], [])


# --- With a worker --------------------------------------------------------------------------------


@pytest.fixture
def owners(project: Project) -> list[User]:
    """Three more owners of a project each."""
    found = [User.objects.create_user(name, email=f"{name}@example.com") for name in ("anne", "charlotte", "emily")]
    for owner in found:
        Project.objects.create(owner=owner, name=f"{owner.username}'s novel")
    return [project.owner, *found]


def ended(name: str, wait_until: Callable[..., Any], *, count: int) -> list[TaskStatus]:
    rows = TaskStatus.objects.filter(task_name=name)
    wait_until(lambda: rows.finished().count() == count, explain=lambda: list(TaskStatus.objects.values()))
    return list(rows.order_by("pk"))


@pytest.mark.usefixtures("working", "impatient")
def test_one_address_that_is_refused_stops_no_other_and_is_asked_once(
    owners: list[User], server: Handler, wait_until: Callable[..., Any]
) -> None:
    server.answers["charlotte@example.com"] = ["550 No such user"] * 10
    tasks.send_weekly_report.send()
    rows = {row.owner_id: row for row in ended(OWNER_TASK, wait_until, count=4)}
    jane, anne, charlotte, emily = (rows[owner.pk] for owner in owners)
    assert [row.status for row in (jane, anne, emily)] == ["completed"] * 3
    assert (charlotte.status, charlotte.retries) == ("failed", 0)
    assert "The mail server refused the mail to charlotte@example.com for good: 550 No such user" in (
        charlotte.error_message
    )
    assert server.asked.count("charlotte@example.com") == 1
    assert sorted(message["To"] for message in server.taken) == [
        "anne@example.com", "emily@example.com", "jane@example.com",
    ]  # fmt: skip


@pytest.mark.usefixtures("working", "impatient")
def test_an_address_that_is_busy_is_retried(project: Project, server: Handler, wait_until: Callable[..., Any]) -> None:
    server.answers["jane@example.com"] = ["451 Greylisted, try again", "421 Busy"]
    tasks.send_weekly_report.send()
    (row,) = ended(OWNER_TASK, wait_until, count=1)
    assert (row.status, row.retries, row.result) == ("completed", 2, {"mailed": True})
    assert len(server.taken) == 1


@pytest.mark.usefixtures("working", "impatient")
def test_a_server_that_is_down_gets_the_mail_when_it_is_up(
    project: Project, settings: Any, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks.send_report_to_owner.options, "max_retries", 1000)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    tasks.send_weekly_report.send()
    rows = TaskStatus.objects.filter(task_name=OWNER_TASK)
    wait_until(lambda: rows.filter(retries__gte=2).exists())
    with mail_server(port=port) as (handler, _):
        (row,) = ended(OWNER_TASK, wait_until, count=1)
    assert (row.status, len(handler.taken)) == ("completed", 1)


@pytest.mark.usefixtures("working", "impatient")
def test_a_weekly_report_that_is_retried_mails_each_owner_once(
    owners: list[User], server: Handler, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    calls: list[list[str]] = []
    broker: Any = tasks.send_report_to_owner.broker
    send_many = broker.send_many

    def lose_the_answer(messages: list[Any]) -> None:
        send_many(messages)
        calls.append([message.message_id for message in messages])
        if len(calls) == 1:
            raise ConnectionError("it was sent, but we do not know")

    monkeypatch.setattr(broker, "send_many", lose_the_answer)
    tasks.send_weekly_report.send()
    (parent,) = ended("projects.send_weekly_report", wait_until, count=1)
    ended(OWNER_TASK, wait_until, count=4)
    assert (parent.status, parent.retries) == ("completed", 1)
    assert calls[0] == calls[1]
    assert sorted(message["To"] for message in server.taken) == sorted(owner.email for owner in owners)


# --- With real processes --------------------------------------------------------------------------


@pytest.mark.processes
def test_a_worker_that_is_killed_while_the_server_takes_the_mail_sends_it_again_with_its_message_id(
    project: Project,
    server: Handler,
    settings: Any,
    worker: Callable[..., RunningCommand],
    wait_until: Callable[..., Any],
) -> None:
    running = worker(
        "--processes",
        "1",
        EMAIL_BACKEND=settings.EMAIL_BACKEND,
        EMAIL_HOST=settings.EMAIL_HOST,
        EMAIL_PORT=str(settings.EMAIL_PORT),
        DEFAULT_FROM_EMAIL=settings.DEFAULT_FROM_EMAIL,
    )

    def kill_once() -> None:
        server.on_taken = lambda: None
        for process in running.descendants():
            process.kill()

    server.on_taken = kill_once
    tasks.send_weekly_report.send()
    (row,) = ended(OWNER_TASK, wait_until, count=1)
    assert (row.status, row.crashes) == ("completed", 1)
    first, second = server.taken
    assert first["Message-ID"] == second["Message-ID"] == Mailing.objects.get().message_id
