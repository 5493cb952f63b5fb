"""Rows behind the pictures of the control room: a busy evening, and one on which much is wrong."""

import math
import smtplib
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.projects.models import Project
from apps.tasks import audit
from apps.tasks.failures import cause_of, in_words
from apps.tasks.figures.buckets import BUCKETS
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
    Tally,
    TaskAttempt,
    TaskGroup,
    TaskGroupMember,
    TaskStatus,
    WorkerProcess,
)
from apps.tasks.models.tally import HOUR
from tests import rows

NOVELS = ("Emma", "Persuasion", "Northanger Abbey", "Lady Susan", "Sanditon", "Mansfield Park")
PROCESS, REPORT, MAIL, INVITE = (
    "documents.process_document", "projects.generate_project_report", "projects.send_report_to_owner",
    "projects.send_invitation",
)  # fmt: skip
QUEUES = {PROCESS: "documents", REPORT: "default", MAIL: "mail", INVITE: "mail"}
#: Arguments by actor, of a number.
GIVEN: dict[str, Callable[[int], dict[str, Any]]] = {
    PROCESS: lambda number: {"document_id": number},
    REPORT: lambda number: {"project_id": number},
    MAIL: lambda number: {"owner_id": number, "report_type": "summary"},
}
#: Tasks of a minute, milliseconds of a run, and the bucket of most runs, by actor.
RATES = {PROCESS: (9, 6_200, 8), REPORT: (4, 1_900, 6), MAIL: (14, 240, 3), INVITE: (2, 180, 3)}
TRACEBACK = f"""Traceback (most recent call last):
  File "/x/site-packages/dramatiq/worker.py", line 480, in process_message
    res = actor(*message.args, **message.kwargs)
  File "/app/apps/projects/services/report_service.py", line 118, in mail_owner
    mail.send(message)
  File "/app/apps/core/mail.py", line 26, in send
    return bool(message.send())
  File "{smtplib.__file__}", line 901, in sendmail
    raise SMTPRecipientsRefused(senderrs)
"""
#: Actor, class and message, with the number of failures in the last hour.
CAUSES = (
    (MAIL, "apps.projects.errors.MailRefusedError", "550 mailbox of user {} is full", 25),
    (PROCESS, "KeyError", "'isbn'", 9),
    (REPORT, "ConnectionRefusedError", "[Errno 111] Connection refused: fonts.internal:80{}", 4),
    (PROCESS, "apps.documents.readers.errors.UnreadableTextError", "Page {} of the PDF has no text.", 2),
)


def beat() -> None:
    """Let the processes live on."""
    WorkerProcess.objects.filter(stopped_at=None).update(beat_at=timezone.now(), taken_at=timezone.now())


def make_busy(owner: User) -> None:
    """Make the rows of a busy evening."""
    now = timezone.now()
    worker_ids = _processes(now)
    project = Project.objects.create(name="Novels", owner=owner)
    documents = [rows.document(title, project=project) for title in NOVELS]
    failed = [_failed(*CAUSES[1][:3], number, owner, now, minutes=7 * number + 3) for number in (1, 0)]
    # Seconds since the send, the function that makes the row, and its number. The oldest task has the least id.
    plan: list[tuple[float, Callable[..., TaskStatus], int]] = [
        *((25 * number + 12, _done, number) for number in range(24)),
        *((9 * number + 5, _running, number) for number in range(6)),
        *((3 * number + 1, _waiting, number) for number in range(11)),
        *((35 * number + 9, _limited, number) for number in range(5)),
        *((80 * number + 20, _delayed, number) for number in range(3)),
        *((90 * number + 70, _retrying, number) for number in range(3)),
    ]
    made: defaultdict[str, list[TaskStatus]] = defaultdict(list)
    for seconds, make, number in sorted(plan, key=lambda one: -one[0]):
        sent_at = now - timedelta(seconds=seconds)
        worker_id, document = worker_ids[number % 2], documents[number % len(NOVELS)]
        task = make(number, document, owner=owner, sent_at=sent_at, now=now, worker_id=worker_id)
        TaskStatus.objects.filter(pk=task.pk).update(created_at=sent_at)
        made[task.status].insert(0, task)
    running, done = made["processing"], made["completed"]
    _figures(now)
    _schedules(done, now)
    _group(done[:5] + running[:2])
    Limit.objects.update_or_create(task_name=MAIL, defaults={"concurrency": 4, "rate_limit": "60/m"})
    Limit.objects.update_or_create(task_name=REPORT, defaults={"concurrency": 2})
    SavedView.objects.create(name="Refused mail", line="state:failed queue:mail", user=owner)
    by = audit.By(name="rosa", door=audit.ADMIN)
    audit.note("retry", by=by, row_ids=[task.pk for task in failed], reason="The file has been mended", query="cause=c")
    audit.note("priority", by=audit.by_user(owner, door=audit.ADMIN), row_ids=[running[0].pk], value="-5")
    for kind, name in (("failures", "Many failures"), ("no_worker", "No worker"), ("slow_task", "Slow task")):
        values = {"threshold": 20, "window_minutes": 10, "least_runs": 20, "hold_seconds": 60, "clear_seconds": 60}
        AlertRule.objects.update_or_create(name=name, defaults={"kind": kind, **values})


def make_burning(owner: User) -> None:
    """Add what is wrong to a busy evening: causes, a pause, a task that hangs, no relay, and alerts."""
    now = timezone.now()
    for task_name, error_type, message, number in CAUSES:
        failed = [
            _failed(task_name, error_type, message, one, owner, now, minutes=one * 55 // number)
            for one in range(number)
        ]
    Tally.objects.filter(task_name=MAIL, start__gte=now - timedelta(minutes=12)).update(failed=11, completed=3)
    hanging = rows.task(
        REPORT, status="processing", owner=owner, kwargs={"project_id": 7}, progress=40,
        progress_text="Waiting for the printer", started_at=now - timedelta(minutes=47),
        claimed_at=now - timedelta(minutes=47), worker_id=WorkerProcess.objects.get(hostname="web-2").pk,
        run_at=now - timedelta(minutes=47),
    )  # fmt: skip
    rows.pause("queue", "mail", by="rosa", why="The mail server is being moved", since=now - timedelta(minutes=21))
    for number in range(14):
        rows.task(MAIL, queue_name="mail", run_at=now - timedelta(minutes=number), kwargs=GIVEN[MAIL](number))
    WorkerProcess.objects.filter(kind="relay").update(stopped_at=now, ended=WorkerProcess.ENDED_OUT_OF_MEMORY)
    Schedule.objects.create(
        name="Monthly report", task_name="projects.send_weekly_report", kwargs={"report_type": 7}, cron="0 6 1 * *",
        next_at=None, anchor_at=now, decided_until=now,
    )  # fmt: skip
    audit.note("request_cancel", by=audit.by_user(owner, door=audit.ADMIN), row_ids=[failed[0].pk], reason="Hangs")
    _alerts(owner, now, hanging)


# --- Tasks ---------------------------------------------------------------------------------------


def _about(document: Any, owner: User) -> dict[str, Any]:
    return {"queue_name": "documents", "about": document, "owner": owner, "kwargs": {"document_id": document.pk}}


def _running(
    number: int, document: Any, *, owner: User, sent_at: datetime, worker_id: uuid.UUID, **_others: Any
) -> TaskStatus:
    started = sent_at + timedelta(seconds=0.8)
    task = rows.task(
        PROCESS, status="processing", progress=15 * (number + 1), progress_text=f"Chapter {7 + number} of 61",
        started_at=started, claimed_at=started, worker_id=worker_id, run_at=sent_at, **_about(document, owner),
    )  # fmt: skip
    at = int(started.timestamp() * 1_000)
    texts = (
        f"opened {document.title.lower().replace(' ', '-')}.docx, 312 kB", "found 61 chapters by their headings",
        "chapter 3 has no title, it is called by its number", "read 121,533 words in 1.4 s",
    )  # fmt: skip
    lines = [
        Line(at + 340 * place, (20, 20, 30, 20)[place], "documents.reading", text) for place, text in enumerate(texts)
    ]
    write([(task.pk, 0, Part(0, lines, 0))])
    return task


def _done(number: int, document: Any, *, owner: User, sent_at: datetime, **_others: Any) -> TaskStatus:
    started = sent_at + timedelta(milliseconds=40 + 7 * number)
    return rows.task(
        PROCESS, status="completed", progress=100, run_at=sent_at, started_at=started,
        finished_at=started + timedelta(milliseconds=5_200 + 370 * (number % 7)),
        result={"document_id": document.pk, "words": 121_533, "chapters": 61}, **_about(document, owner),
    )  # fmt: skip


def _waiting(_number: int, document: Any, *, owner: User, sent_at: datetime, **_others: Any) -> TaskStatus:
    return rows.task(PROCESS, run_at=sent_at, **_about(document, owner))


def _limited(number: int, _document: Any, *, sent_at: datetime, **_others: Any) -> TaskStatus:
    return rows.task(MAIL, queue_name="mail", line="", in_line=True, run_at=sent_at, args=[number + 40, "summary"])


def _delayed(number: int, _document: Any, *, now: datetime, **_others: Any) -> TaskStatus:
    due = now + timedelta(hours=number + 1)
    return rows.task(MAIL, queue_name="mail", delayed=True, run_at=due, args=[number + 7, "summary"])


def _retrying(number: int, document: Any, *, owner: User, now: datetime, **_others: Any) -> TaskStatus:
    return rows.task(
        PROCESS, delayed=True, retries=number + 1, attempt=number + 1, error_type="KeyError", error_message="'isbn'",
        run_at=now + timedelta(minutes=number + 1), **_about(document, owner),
    )  # fmt: skip


def _failed(
    name: str, error_type: str, message: str, number: int, owner: User, now: datetime, *, minutes: int
) -> TaskStatus:
    error, ended = message.format(number + 1), now - timedelta(minutes=minutes + 1)
    traceback = f"{TRACEBACK}{in_words(error_type, error)}\n"
    started = ended - timedelta(seconds=4)
    task = rows.task(
        name, status="failed", queue_name=QUEUES[name], error_type=error_type, error_message=error, owner=owner,
        cause=cause_of(name, error_type, error), finished_at=ended, started_at=started, kwargs=GIVEN[name](number + 1),
        traceback=traceback, retries=3, attempt=3, progress=60, run_at=started - timedelta(seconds=1),
    )  # fmt: skip
    TaskStatus.objects.filter(pk=task.pk).update(created_at=started - timedelta(minutes=4))
    for attempt in range(3):
        before = started - timedelta(seconds=70 * (3 - attempt))
        TaskAttempt.objects.create(
            task=task, attempt=attempt, outcome="retry", error_message=error, error_type=error_type,
            traceback=traceback, started_at=before, ended_at=before + timedelta(seconds=4),
        )  # fmt: skip
    return task


def _group(tasks: list[TaskStatus]) -> None:
    group = TaskGroup.objects.create(
        key="the-novels-of-jane-austen", size=len(tasks), remaining=2,
        callbacks=[{"on": "finished", "message": {"actor_name": REPORT}}],
    )  # fmt: skip
    for number, task in enumerate(tasks):
        TaskGroupMember.objects.create(group=group, task_id=task.task_id, position=number, number=number, is_last=True)


# --- The rest ------------------------------------------------------------------------------------


def _processes(now: datetime) -> list[uuid.UUID]:
    values: dict[str, Any] = {"code_version": "2026.11.2", "started_at": now - timedelta(hours=3), "tasks_done": 18_204}
    ids = [
        rows.worker_process(
            f"web-{number}", busy_threads=3, memory_mb=180 + 7 * number, pid=4_100 + number, **values
        ).pk
        for number in (1, 2)
    ]
    rows.worker_process("web-1", kind="relay", memory_mb=96, pid=4_090, **values)
    rows.worker_process("web-1", kind="scheduler", memory_mb=91, pid=4_091, **values)
    old = values | {"code_version": "2026.11.1", "started_at": now - timedelta(days=3), "pid": 2_114}
    rows.worker_process("web-1", ended=WorkerProcess.ENDED_STOPPED, stopped_at=now - timedelta(hours=3), **old)
    Deploy.objects.create(number=1, version="2026.11.1", at=now - timedelta(days=3))
    Deploy.objects.create(number=2, version="2026.11.2", at=now - timedelta(minutes=26))
    return ids


def _figures(now: datetime) -> None:
    minute = now.replace(second=0, microsecond=0)
    hour = minute.replace(minute=0)
    for name in RATES:
        for step in range(1, 60):
            rows.tally(name, QUEUES[name], start=minute - timedelta(minutes=step), **_counts(name, step, minutes=1))
        for step in range(1, 7 * 24):
            start, counts = hour - timedelta(hours=step), _counts(name, step, minutes=60)
            Tally.objects.create(span=HOUR, start=start, task_name=name, queue_name=QUEUES[name], **counts)


def _counts(name: str, step: int, *, minutes: int) -> dict[str, Any]:
    rate, run_ms, bucket = RATES[name]
    ended = max(1, round(rate * minutes * (1 + 0.45 * math.sin(step / 5) + 0.2 * math.sin(step / 1.7))))
    failed = ended // 40 if step % 9 else ended // 12
    waits, runs = [0] * BUCKETS, [0] * BUCKETS
    waits[2], waits[5], waits[7] = ended - ended // 4 - ended // 20, ended // 4, ended // 20
    runs[bucket - 1], runs[bucket], runs[bucket + 2] = ended // 3, ended - ended // 3 - ended // 18, ended // 18
    return {
        "sent": ended, "started": ended, "completed": ended - failed, "failed": failed, "retried": failed,
        "wait_ms": ended * 180, "run_ms": ended * run_ms, "waits": waits, "runs": runs,
    }  # fmt: skip


def _schedules(tasks: list[TaskStatus], now: datetime) -> None:
    common = {"anchor_at": now, "decided_until": now}
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    clean = Schedule.objects.create(
        name="Clean up", task_name="documents.clean_expired_documents", cron="0 3 * * *",
        next_at=today + timedelta(days=1, hours=3), **common,
    )  # fmt: skip
    monday = today - timedelta(days=today.weekday()) + timedelta(hours=8)
    weekly = Schedule.objects.create(
        name="Weekly report", task_name="projects.send_weekly_report", cron="0 8 * * 1",
        next_at=monday + timedelta(days=7), time_zone="Europe/London", **common,
    )  # fmt: skip
    Schedule.objects.create(
        name="Every ten minutes", task_name="documents.clean_expired_documents", interval_seconds=600, enabled=False,
        **common,
    )  # fmt: skip
    for schedule, days in ((clean, 1), (weekly, 7)):
        assert schedule.next_at
        for number in range(30):
            at = schedule.next_at - timedelta(days=days * (number + 1))
            outcome = ScheduleSlot.MISSED if number == 11 else ScheduleSlot.FIRED
            ScheduleSlot.objects.create(
                schedule=schedule, slot=at, first_slot=at, outcome=outcome,
                task_id=tasks[number % len(tasks)].task_id if outcome == ScheduleSlot.FIRED else "",
            )  # fmt: skip


def _alerts(owner: User, now: datetime, hanging: TaskStatus) -> None:
    told = (
        ("failures", MAIL, 9, "92 of 154 runs of projects.send_report_to_owner failed in 10 min (60 %).",
         "Look at the causes, and retry the tasks once they are mended."),
        ("slow_task", hanging.task_name, 41, "A task of projects.generate_project_report has run for 47 min. 95 of "
         "100 end within 10 s.", "Look at its stack, and cancel it if it hangs."),
        ("no_worker", "", 180, "No worker lives: tasks wait.", "Start manage.py runworker."),
    )  # fmt: skip
    for kind, scope, minutes, sentence, remedy in told:
        at = now - timedelta(minutes=minutes)
        ended = at + timedelta(minutes=4) if kind == "no_worker" else None
        silence = {
            "silenced_at": now, "silenced_until": now + timedelta(hours=1), "silenced_by": owner,
            "silence_reason": "The printer is being mended",
        }  # fmt: skip
        Alert.objects.create(
            rule=AlertRule.objects.get(kind=kind), kind=kind, scope=scope, noticed_at=at, checked_at=now, value=37,
            worst=60, sentence=sentence, remedy=remedy, started_at=at + timedelta(minutes=1), ended_at=ended,
            cleared_at=ended, **(silence if kind == "slow_task" else {}),
        )  # fmt: skip
