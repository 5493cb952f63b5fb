"""`manage.py tasks pause` and `resume`."""

import getpass

import pytest
from django.core.management import CommandError

from apps.tasks import pauses
from apps.tasks.models import AuditEntry, Pause
from tests.terminal import objects, run

pytestmark = [pytest.mark.once, pytest.mark.django_db]


def test_a_queue_is_paused_and_resumed_with_who_and_why() -> None:
    user = getpass.getuser()
    (line,) = run("pause", "--queue", "documents", "--why", "the disk is full")
    assert line.startswith("The queue documents is paused, ")
    assert line.endswith(f" ago by {user}: the disk is full.")
    pause = Pause.objects.get()
    assert (pause.kind, pause.name, pause.by, pause.why) == ("queue", "documents", user, "the disk is full")
    assert "is paused already" in run("pause", "--queue", "documents")[0]
    (line,) = run("resume", "--queue", "documents")
    assert line.startswith("The queue documents is resumed. It was paused ")
    assert run("resume", "--queue", "documents") == ["The queue documents was not paused."]
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", "target", "name", "door", "reason")) == [
        ("pause", "queue:documents", user, "terminal", "the disk is full"),
        ("resume", "queue:documents", user, "terminal", ""),
    ]


def test_an_actor_is_paused_and_a_program_is_told() -> None:
    (found,) = objects("pause", "--actor", "documents.process_document")
    assert (found["kind"], found["name"], found["is_paused"]) == ("actor", "documents.process_document", True)
    assert "documents.process_document" in pauses.read().actors
    assert objects("resume", "--actor", "documents.process_document")[0]["is_paused"] is False


@pytest.mark.parametrize("action", ["pause", "resume"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--queue", "documnts"), r"Unknown queue 'documnts', must be one of: .*did you mean 'documents'"),
        (("--actor", "\x1b[2J"), r"Unknown actor '\\x1b\[2J', must be one of: "),
        ((), "one of the arguments --queue --actor is required"),
        (("--queue", "documents", "--actor", "x"), "not allowed with argument"),
    ],
)
def test_an_unknown_name_is_refused(action: str, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(action, *arguments)
    assert not Pause.objects.exists()


def test_a_reason_that_is_too_long_is_refused() -> None:
    with pytest.raises(CommandError, match="must have 500 at most") as refused:
        run("pause", "--queue", "documents", "--why", "x" * 600)
    assert refused.value.returncode == 2
