"""A busy and partly broken system: tasks in all states, schedules, processes, alerts and figures."""

import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.documents import tasks as document_tasks
from apps.documents.models import Document
from apps.documents.samples import PRIDE_AND_PREJUDICE
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks import audit
from apps.tasks.failures import cause_of
from apps.tasks.log_buffer import Line, Part
from apps.tasks.log_lines import write
from apps.tasks.models import (
    Alert,
    AlertRule,
    Deploy,
    Limit,
    SavedView,
    Schedule,
    ScheduleSlot,
    TaskChild,
    TaskGroup,
    TaskGroupMember,
    TaskStack,
    TaskStatus,
    WorkerProcess,
)
from apps.tasks.values import Frame
from tests import rows

LIBRARY = '  File "/x/site-packages/mail/client.py", line 88, in send\n    self.connection.send(message)\n'
TRACEBACK = (
    f'Traceback (most recent call last):\n{LIBRARY}  File "/app/mail.py", line 7, in send\nMailRefusedError: 550\n'
)
RULES = ("no_worker", "failures", "queue_full", "slow_task")


def fill(owner: User) -> list[TaskStatus]:
    """Make the rows. Return a task of each state."""
    now = timezone.now()
    project = Project.objects.filter(owner=owner).earliest("pk")
    tasks = _tasks(owner, project, now)
    _documents(project)
    _processes(tasks, now)
    _schedules(tasks, now)
    _groups(tasks)
    _alerts(owner, now)
    _figures(now)
    rows.pause("queue", "mail", why="The mail server is being moved")
    rows.pause("actor", "projects.send_weekly_mail")
    Limit.objects.update_or_create(
        task_name="documents.process_document", defaults={"concurrency": 2, "rate_limit": "60/m"}
    )
    SavedView.objects.create(name="Refused mail", line="state:failed queue:mail", user=owner)
    return tasks


def _failed(number: int, owner: User, now: Any, **values: Any) -> TaskStatus:
    error = f"550 mailbox of user {number} is full"
    name = "projects.send_weekly_mail"
    return rows.task(
        name, status="failed", error_type="shop.mail.MailRefusedError", error_message=error, owner=owner,
        cause=cause_of(name, "shop.mail.MailRefusedError", error), finished_at=now - timedelta(minutes=number + 1),
        started_at=now - timedelta(minutes=number + 1, seconds=4), queue_name="mail", kwargs={"user_id": number},
        traceback=TRACEBACK, retries=3, attempt=3, **values,
    )  # fmt: skip


def _tasks(owner: User, project: Project, now: Any) -> list[TaskStatus]:
    worker_id = uuid.uuid4()
    document = rows.document("Northanger Abbey", project=project, status=Document.Status.PROCESSING)
    running = rows.task(
        status="processing", about=document, owner=owner, started_at=now - timedelta(minutes=17), progress=40,
        progress_text="Chapter 3 of 7", kwargs={"document_id": document.pk, "api_token": "x"}, attempt=1, retries=1,
        worker_id=worker_id, claimed_at=now - timedelta(minutes=17), error_message="'isbn'", error_type="KeyError",
    )  # fmt: skip
    running.attempts.create(
        attempt=0, outcome="retry", error_message="'isbn'", error_type="KeyError", traceback=TRACEBACK,
        started_at=now - timedelta(minutes=19), ended_at=now - timedelta(minutes=18),
    )  # fmt: skip
    lines = [
        Line(1_700_000_000_000 + number * 700, (20, 30, 40, 10, 50)[number % 5], "documents.reading", text)
        for number, text in enumerate(["opened emma.docx", "chapter 3 has no title " * 12, "torn\nTraceback:\n  x"])
    ]
    write([(running.pk, 0, Part(0, lines, 0)), (running.pk, 1, Part(0, lines, 7))])
    frames = [
        Frame(file="/usr/lib/threading.py", line=1, name="run", is_library=True),
        Frame(file="/app/novel.py", line=12, name="count_words", source="for word in words:"),
    ]
    TaskStack.objects.create(
        task=running, attempt=1, worker_id=worker_id, requested_at=now, answered_at=now,
        frames=[asdict(frame) for frame in frames],
    )  # fmt: skip
    done = rows.task(
        status="completed", owner=owner, progress=100, started_at=now - timedelta(seconds=90),
        result={"words": 121_533}, finished_at=now - timedelta(seconds=50), about=document,
        options={"parent": running.task_id},
    )  # fmt: skip
    TaskChild.objects.create(task_id=done.task_id, parent_id=running.task_id)
    failed = [_failed(number, owner, now) for number in range(4)]
    audit.note("cancel", by=audit.by_user(owner, door=audit.ADMIN), row_ids=[t.pk for t in failed], reason="Too many")
    return [
        running, done, failed[0],
        rows.task(owner=owner, priority=3),
        rows.task(owner=owner, delayed=True, run_at=now + timedelta(days=2)),
        rows.task(delayed=True, retries=2, error_type="KeyError", error_message="'isbn'", attempt=2,
                  run_at=now + timedelta(minutes=2)),
        rows.task(line="", in_line=True),
        rows.task("shop.gone", unknown_since=now, delayed=True, run_at=now + timedelta(seconds=20)),
        rows.task(status="processing", claimed_at=now, started_at=now, cancel_requested_at=now, worker_id=uuid.uuid4()),
        rows.task(status="cancelled", finished_at=now, owner=owner, error_message="Cancelled by jane."),
        rows.task(crashes=1, attempt=1, queue_name="mail"),
    ]  # fmt: skip


def _documents(project: Project) -> None:
    emma = DocumentService.create(
        project=project, title="Pride and Prejudice", text=PRIDE_AND_PREJUDICE.read_text(encoding="utf-8")[:9_000]
    )
    document_tasks.process_document.fn(emma.pk)
    rows.document("Persuasion", project=project, status=Document.Status.FAILED, error_message="Page 7 is torn.")
    rows.document("Lady Susan", project=project)


def _processes(tasks: list[TaskStatus], now: Any) -> None:
    values: dict[str, Any] = {"code_version": "2026.11.2", "memory_mb": 412}
    assert tasks[0].worker_id
    rows.worker_process(id=tasks[0].worker_id, busy_threads=2, taken_at=now, **values)
    rows.worker_process("web-2", is_quiet=True, wanted="quiet", queues=["mail", "default"], **values)
    rows.worker_process("web-3", trouble=WorkerProcess.TROUBLE_CLAIMS, **values)
    rows.worker_process("web-4", ended=WorkerProcess.ENDED_OUT_OF_MEMORY, stopped_at=now, **values)
    rows.worker_process("web-1", kind="relay", **values)
    rows.worker_process("web-1", kind="scheduler", **values)
    Deploy.objects.create(number=1, version="2026.11.1", at=now - timedelta(days=3))
    Deploy.objects.create(number=2, version="2026.11.2", at=now - timedelta(minutes=30))


def _schedules(tasks: list[TaskStatus], now: Any) -> None:
    common = {"task_name": "documents.clean_expired_documents", "anchor_at": now, "decided_until": now}
    nightly = Schedule.objects.create(name="Nightly", cron="0 3 * * *", next_at=now + timedelta(hours=3), **common)
    Schedule.objects.create(
        name="Broken", interval_seconds=60, next_at=None, problem="The actor takes no argument 'days'.", **common
    )
    Schedule.objects.create(
        name="Paused", cron="30 2 * * 1", enabled=False, time_zone="Australia/Lord_Howe", missed_count=4, **common
    )
    outcomes = (ScheduleSlot.FIRED, ScheduleSlot.BY_HAND, ScheduleSlot.MISSED, ScheduleSlot.SKIPPED)
    for number, task in enumerate(tasks):
        at = now - timedelta(days=number)
        outcome = outcomes[number % 4]
        ScheduleSlot.objects.create(
            schedule=nightly, slot=at, first_slot=at, outcome=outcome, task_id=task.task_id if number % 4 < 2 else ""
        )


def _groups(tasks: list[TaskStatus]) -> None:
    group = TaskGroup.objects.create(
        key="binding", size=len(tasks), callbacks=[{"on": "finished", "message": {"actor_name": "acting.report"}}]
    )
    for number, task in enumerate(tasks):
        TaskGroupMember.objects.create(
            group=group, task_id=task.task_id, position=number, number=number, is_last=number == len(tasks) - 1
        )


def _alerts(owner: User, now: Any) -> None:
    for number, kind in enumerate(RULES):
        rule = AlertRule.objects.create(name=kind.replace("_", " ").title(), kind=kind, scope="queue:mail")
        Alert.objects.create(
            rule=rule, kind=kind, scope="queue:mail", noticed_at=now, checked_at=now, value=37, worst=41,
            started_at=now - timedelta(hours=number) if number else None,
            sentence="37 of 40 tasks of the queue mail failed in the last 10 minutes.",
            remedy="Look at the causes of the failures, and retry them once the mail server is back.",
            ended_at=now if number == 3 else None, cleared_at=now if number == 3 else None,
            **({"silenced_at": now, "silenced_until": now + timedelta(hours=1), "silenced_by": owner,
                "silence_reason": "The server is being moved"} if number == 2 else {}),
        )  # fmt: skip


def _figures(now: Any) -> None:
    start = now.replace(second=0, microsecond=0)
    for minute in range(1, 40):
        values = {
            "start": start - timedelta(minutes=minute),
            "waits": [0, 1, minute % 7],
            "runs": [0, 0, 2, minute % 3],
        }
        rows.tally(
            "projects.send_weekly_mail", "mail", sent=minute % 9, started=minute % 8, completed=minute % 5,
            failed=minute % 4, retried=minute % 3, wait_ms=minute * 100, run_ms=minute * 900, **values,
        )  # fmt: skip
        rows.tally(
            "documents.process_document", "default", sent=4, started=4, completed=3 + minute % 3, wait_ms=90,
            run_ms=70_000, **values,
        )  # fmt: skip
