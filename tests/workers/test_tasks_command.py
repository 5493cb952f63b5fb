"""`manage.py tasks`: cancel tasks in a terminal."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.tasks.groups import group
from apps.tasks.models import TaskStatus
from tests import rows
from tests.acting import tasks

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("tasks", *arguments, stdout=out)
    return out.getvalue().splitlines()


def statuses(**of: Any) -> set[str]:
    return set(TaskStatus.objects.filter(**of).values_list("status", flat=True))


def test_tasks_are_cancelled_by_their_ids() -> None:
    waiting, running = rows.task(), rows.task(status="processing")
    done = rows.task(status="completed")
    assert run("cancel", waiting.task_id, running.task_id, done.task_id) == [
        f"{waiting.task_id} is cancelled.",
        f"{running.task_id} runs: its worker is asked to cancel it.",
        f"{done.task_id} had ended: completed.",
    ]
    running.refresh_from_db()
    assert running.cancel_requested_at is not None


def test_an_unknown_id_cancels_nothing() -> None:
    waiting = rows.task()
    with pytest.raises(CommandError, match=r"Unknown task: 'nowhere'\. Nothing was cancelled") as refused:
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
    assert run("cancel", "--group", running.key) == ["1 cancelled, 1 run: their workers are asked to cancel them."]
    assert statuses(cancel_requested_at__isnull=False) == {"cancelled", "processing"}
    assert statuses(task_id=other.message_id) == {"pending"}
    assert run("cancel", "--group", running.key) == ["0 cancelled, 0 run: their workers are asked to cancel them."]


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(CommandError, match="Unknown group 'nowhere'"):
        run("cancel", "--group", "nowhere")
