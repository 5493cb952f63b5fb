"""`manage.py tasks follow` and `wait`."""

from collections.abc import Callable

import pytest

from apps.tasks.commands import following
from apps.tasks.models import TaskStatus
from tests import rows
from tests.terminal import Terminal, end, objects

pytestmark = [pytest.mark.once, pytest.mark.django_db]


@pytest.fixture
def at_looks(monkeypatch) -> Callable[..., None]:
    """Change tasks between the looks of a command, instead of waiting."""

    def at_looks(*changes: Callable[[], object]) -> None:
        left = list(changes)
        monkeypatch.setattr(following, "sleep", lambda seconds: left.pop(0)())

    return at_looks


def becomes(task: TaskStatus, **values: object) -> Callable[[], object]:
    return lambda: TaskStatus.objects.filter(pk=task.pk).update(**values)


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("cancelled", 3)])
def test_follow_ends_with_the_end_of_the_task(status: str, code: int, at_looks) -> None:
    task = rows.task()
    at_looks(
        becomes(task, status="processing", progress=40, progress_text="Chapter 3"),
        lambda: None,
        becomes(task, status=status, progress=100, error_message="no" if code == 1 else ""),
    )
    ended, lines = end("follow", task.task_id)
    assert ended == code
    assert lines[:2] == ["  0 %  waiting", " 40 %  running  Chapter 3"]
    assert lines[2] == f"100 %  {status}  Chapter 3"
    assert lines[3:] == (["no"] if code == 1 else [])


def test_a_terminal_has_a_bar_in_one_line(at_looks, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    task = rows.task(status="processing", progress=50, progress_text="\x1b[2J")
    at_looks(becomes(task, status="completed", progress=100))
    out = Terminal()
    assert end("follow", task.task_id, out=out)[0] == 0
    bars = out.getvalue().split(following.ERASE)
    assert bars[0] == ""
    assert bars[1] == f"{'█' * 12}{'░' * 12}  50 %  running  documents.process_document  \\x1b[2J"
    assert bars[2].startswith("█" * 24 + " 100 %  completed")
    assert bars[2].count("\n") == 1


def test_a_program_gets_an_object_for_each_change(at_looks) -> None:
    task = rows.task()
    at_looks(lambda: None, becomes(task, progress=10), becomes(task, status="completed"))
    found = objects("follow", task.task_id)
    assert [(one["status"], one["progress"]) for one in found] == [("pending", 0), ("pending", 10), ("completed", 10)]


def test_a_task_that_is_deleted_is_no_success(at_looks) -> None:
    task = rows.task()
    at_looks(lambda: TaskStatus.objects.all().delete())
    assert end("follow", task.task_id) == (1, ["  0 %  waiting", "The task is gone: it was deleted."])


def test_a_wait_ends_with_the_worst_end(at_looks) -> None:
    done, other, gone = rows.task(status="completed"), rows.task(), rows.task()
    ids = [done.task_id, other.task_id]
    at_looks(becomes(other, status="cancelled"))
    code, lines = end("wait", *ids)
    assert code == 3
    assert [line.split()[:2] for line in lines] == [[done.task_id, "completed"], [other.task_id, "cancelled"]]
    assert end("wait", done.task_id)[0] == 0
    at_looks(lambda: TaskStatus.objects.filter(pk=gone.pk).delete())
    code, lines = end("wait", *ids, gone.task_id)
    assert code == 1
    assert lines[-1].split()[:2] == [gone.task_id, "gone"]


@pytest.mark.parametrize("action", ["follow", "wait"])
def test_a_timeout_has_a_code_of_its_own(action: str) -> None:
    assert end(action, rows.task().task_id, "--timeout", "0")[0] == 4


def test_ctrl_c_is_quiet(at_looks) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    at_looks(interrupt)
    assert end("wait", rows.task().task_id) == (130, [])
