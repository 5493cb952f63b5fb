"""Texts that a task reports, logs and raises, with escapes of terminals and a NUL, wherever they are shown."""

import logging
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.tasks import log_lines, progress
from apps.tasks.models import TaskStatus
from tests import terminal
from tests.clients import writer
from tests.terminal import Terminal

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = "<script>alert(1)</script>"
ODD = f"{SCRIPT}\x1b[31m\x07\x00\u202egnp\r\nBcc: eve@example.com \U0001f600"
#: Characters that steer a terminal or the text around them.
STEERING = {"\x00", "\x07", "\x1b", "\u202e", "\r"}
#: The error, which ends in a megabyte.
LONG = ODD + "x" * 1_000_000


@pytest.fixture
def task(working: Any, declare: Any, ended: Any) -> TaskStatus:
    """A task that reported, logged and raised the text, by a real worker."""

    def speak() -> None:
        progress.set(50, ODD)
        logging.getLogger("acting.own").warning(ODD)
        raise RuntimeError(LONG)

    found: TaskStatus = ended(declare(speak, max_retries=0).send())
    assert found.status == "failed"
    return found


def test_odd_texts_of_a_task_are_shown_as_text(
    task: TaskStatus, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [task.progress_text, task.error_message, task.traceback, *(line.text for line in log_lines.of(task).lines)]
    assert len(told) >= 4
    assert "\x00" not in "".join(told)
    assert max(map(len, told)) <= 50_000

    paths = [reverse(f"admin:tasks_taskstatus_{name}", args=[task.pk]) for name in ("change", "part")]
    paths += [reverse("admin:tasks_taskstatus_changelist"), reverse("admin:tasks_failures"), reverse("admin:index")]
    for path in paths:
        text = admin_client.get(path).content.decode()
        assert SCRIPT not in text, path
        assert "\x00" not in text, path
    assert "&lt;script&gt;" in admin_client.get(paths[0]).content.decode()

    log = admin_client.get(reverse("admin:tasks_taskstatus_log", args=[task.pk]))
    assert log.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert log.headers["X-Content-Type-Options"] == "nosniff"
    assert SCRIPT in log.content.decode()
    assert not STEERING & set(log.content.decode())

    staff = writer("staff", is_staff=True, permissions=["tasks.view_taskstatus"])
    for path in ("/api/tasks/", f"/api/tasks/{task.task_id}/", f"/api/tasks/{task.task_id}/events/"):
        answer = staff.get(path)
        assert answer.headers["Content-Type"].partition(";")[0] in ("application/json", "text/event-stream")
        assert not (STEERING - {"\u202e"}) & set(answer.content.decode()), path

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    for arguments in (("show", task.task_id), ("why", task.task_id), ("list",), ("causes",), ("follow", task.task_id)):
        _code, lines = terminal.end(*arguments, out=Terminal())
        text = "\n".join(lines)
        assert not (STEERING - {"\r"}) & set(text.replace("\x1b[2K", "")), arguments
        assert SCRIPT in text or arguments[0] == "list", arguments
