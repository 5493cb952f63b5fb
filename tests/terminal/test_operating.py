"""`manage.py tasks cancel` and `retry`."""

import getpass
import io
from typing import Any

import pytest
from django.core.management import CommandError

from apps.tasks import audit, ledger
from apps.tasks.groups import group
from apps.tasks.models import AuditEntry, TaskStatus
from tests import rows
from tests.acting import tasks
from tests.terminal import Terminal, end, objects, run

pytestmark = [pytest.mark.once, pytest.mark.django_db]


def statuses(**of: Any) -> set[str]:
    return set(TaskStatus.objects.filter(**of).values_list("status", flat=True))


def test_tasks_are_cancelled_by_their_ids() -> None:
    waiting, running = rows.task(), rows.task(status="processing")
    done = rows.task(status="completed")
    code, lines = end("cancel", waiting.task_id, running.task_id, done.task_id, "--yes")
    assert code == 1, "one was left as it is"
    assert sorted(lines) == sorted(
        [
            f"{waiting.task_id} is cancelled.",
            f"{running.task_id} runs: its worker is asked to cancel it.",
            f"{done.task_id} is left as it is: completed.",
        ]
    )
    running.refresh_from_db()
    assert running.cancel_requested_at is not None


def test_one_task_is_changed_without_a_question() -> None:
    task = rows.task(status="failed")
    assert run("retry", task.task_id) == [f"{task.task_id} is retried: it runs as soon as a worker is free."]
    assert statuses() == {"pending"}
    assert run("cancel", task.task_id[:12]) == [f"{task.task_id} is cancelled."]
    assert statuses() == {"cancelled"}


def test_many_tasks_are_not_changed_without_a_terminal_or_a_yes() -> None:
    ids = [rows.task().task_id for _ in range(3)]
    with pytest.raises(CommandError, match=r"cancel 3 tasks\..* needs --yes\. Nothing was changed") as refused:
        run("cancel", *ids)
    assert refused.value.returncode == 2
    assert statuses() == {"pending"}


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


PLAN = [
    "Retry 3 tasks?",
    "  2 failed: run again from their beginning, and their effects, such as mails, happen again",
    "  1 cancelled: run again from their beginning",
    "  1 left as they are: they have completed",
]


def asked(answer: str, monkeypatch) -> tuple[Terminal, list[str]]:
    """Return a terminal at which this is typed, and the arguments of a retry of several tasks."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdin", Keyboard(answer))
    made = [rows.task(status=status) for status in ("failed", "failed", "cancelled", "completed")]
    return Terminal(), ["retry", *(task.task_id for task in made)]


@pytest.mark.parametrize("answer", ["yes\n", "Y\n"])
def test_a_terminal_is_asked_and_told_what_becomes_of_what(answer: str, monkeypatch) -> None:
    out, arguments = asked(answer, monkeypatch)
    code, lines = end(*arguments, out=out)
    assert code == 1, "one was left as it is"
    assert lines[:4] == PLAN
    assert statuses() == {"pending", "completed"}


@pytest.mark.parametrize("answer", ["no\n", ""])
def test_another_answer_changes_nothing(answer: str, monkeypatch) -> None:
    out, arguments = asked(answer, monkeypatch)
    with pytest.raises(CommandError, match=r"^Nothing was changed\.$"):
        run(*arguments, out=out)
    assert out.getvalue().splitlines()[:4] == PLAN
    assert statuses() == {"failed", "cancelled", "completed"}


def test_a_program_gets_an_object_for_each_changed_task() -> None:
    task, done = rows.task(), rows.task(status="completed")
    code, lines = end("cancel", task.task_id, done.task_id, "--json")
    assert code == 1
    (line,) = lines
    assert f'"id": "{task.task_id}"' in line
    assert '"done": "cancel"' in line
    assert objects("retry", task.task_id)[0]["status"] == "pending"


def test_the_audit_has_the_system_user_and_the_reason() -> None:
    user = getpass.getuser()
    task, other, running = rows.task(status="failed"), rows.task(), rows.task(status="processing")
    run("retry", task.task_id, "--why", "the mailbox is free again")
    run("cancel", task.task_id, other.task_id, running.task_id, "--yes")
    noted = [(one.verb, one.name, one.door, one.reason, one.others) for one in audit.of(task)]
    assert noted == [
        ("cancel", user, "terminal", "", 2),
        ("retry", user, "terminal", "the mailbox is free again", 0),
    ]
    assert [one.verb for one in audit.of(running)] == ["request_cancel"]


def test_many_pages_are_one_entry(monkeypatch) -> None:
    monkeypatch.setattr(ledger, "PAGE", 2)
    made = [rows.task() for _ in range(5)]
    assert len(run("cancel", *(task.task_id for task in made), "--yes")) == 5
    entry = AuditEntry.objects.get()
    assert (entry.number, entry.total) == (5, 5)


def test_an_unknown_id_changes_nothing() -> None:
    waiting = rows.task()
    with pytest.raises(CommandError, match=r"Unknown task: 'nowhere'\. Nothing was changed") as refused:
        run("cancel", waiting.task_id, "nowhere")
    assert refused.value.returncode == 2
    assert statuses() == {"pending"}


@pytest.mark.parametrize("arguments", [(), ("id", "--group", "key")])
def test_either_ids_or_a_group_is_named(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="Name the ids of tasks, or a group"):
        run("cancel", *arguments)


@pytest.mark.parametrize("arguments", [("cancel", "\udcff"), ("cancel", "--group", "a\udcff"), ("stack", "\udcff")])
def test_bytes_that_are_no_text_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"'a?\\udcff' is no text in UTF-8") as refused:
        run(*arguments)
    assert refused.value.returncode == 2


@pytest.mark.redis
def test_a_group_is_cancelled_with_all_its_members(broker: Any) -> None:
    other = tasks.effect.send("other")
    running = group([tasks.effect.message("a") | tasks.effect.message("b"), tasks.effect.message("c")]).run()
    assert running.key is not None
    members = TaskStatus.objects.exclude(task_id=other.message_id)
    members.filter(args=["c"]).update(status="processing")
    asked = "held by a worker: their cancellation is requested"
    assert run("cancel", "--group", running.key, "--yes") == ["1 cancelled", f"1 {asked}"]
    assert statuses(cancel_requested_at__isnull=False) == {"cancelled", "processing"}
    assert statuses(task_id=other.message_id) == {"pending"}
    assert run("cancel", "--group", running.key)[:2] == ["0 cancelled", f"0 {asked}"]


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(CommandError, match="Unknown group 'nowhere'"):
        run("cancel", "--group", "nowhere")


def test_all_that_a_search_finds_are_changed() -> None:
    for error in ("'isbn'", "'isbn'", "no mailbox"):
        rows.task(status="failed", error_message=error, error_type="KeyError" if "isbn" in error else "MailError")
    assert run("retry", "--search", "state:failed error:KeyError", "--yes") == [
        "2 retried: they run as soon as a worker is free"
    ]
    assert list(TaskStatus.objects.filter(status="failed").values_list("error_type", flat=True)) == ["MailError"]
    entry = AuditEntry.objects.get()
    assert (entry.query, entry.number) == ("state:failed error:KeyError", 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [("stat:failed", "Unknown word"), ("  ", "would mean all tasks"), ("state:x", "Unknown state")],
)
def test_a_wrong_search_changes_nothing(words: str, message: str) -> None:
    rows.task()
    with pytest.raises(CommandError, match=message) as refused:
        run("cancel", "--search", words, "--yes")
    assert refused.value.returncode == 2
    assert statuses() == {"pending"}
