"""A send checks the types of arguments by the simple annotations of its actor's function."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

import dramatiq
import pytest
from django.db import models
from dramatiq.errors import ActorNotFound

from apps.tasks import states
from apps.tasks.errors import BadArgumentsError, BadOptionError
from apps.tasks.models import TaskStatus
from tests.acting import django_tasks
from tests.acting import tasks as acting
from workers.broker import LedgerBroker
from workers.sending.annotations import check
from workers.testing import perform, run_due

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.django_db


class Colour(models.TextChoices):
    RED = "red"


class Number(models.IntegerChoices):
    ONE = 1


def typed(
    whole: int = 0,
    text: str = "",
    flag: bool = False,
    part: float = 0.0,
    maybe: int | None = None,
    old: Optional[str] = None,  # noqa: UP045
    implied: int = None,  # type: ignore[assignment]  # noqa: RUF013
    late: "int | None" = None,
    several: list[int] = [],  # noqa: B006
    named: dict[str, Any] = {},  # noqa: B006
    unknown: "UUID" = "",  # type: ignore[assignment]
    other: tuple[int, ...] = (),
    free: Any = None,
    mixed: "int | UUID" = 0,
    *rest: int,
    bare=None,
    **more: int,
) -> None: ...


@pytest.fixture
def actor() -> Iterator[Any]:
    yield dramatiq.actor(actor_name="acting.typed")(typed)
    dramatiq.get_broker().actors.pop("acting.typed")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("whole", "1", "int"),
        ("whole", True, "int"),
        ("whole", 1.0, "int"),
        ("whole", None, "int"),
        ("text", 1, "str"),
        ("flag", 1, "bool"),
        ("part", "1.5", "float"),
        ("part", True, "float"),
        ("maybe", "1", "int or None"),
        ("old", 1, "str or None"),
        ("implied", "1", "int or None"),
        ("late", "1", "int or None"),
        ("several", "1", "list"),
        ("several", {}, "list"),
        ("named", [], "dict"),
    ],
)
def test_another_type_is_refused_with_value_name_and_type(actor: Any, name: str, value: Any, wanted: str) -> None:
    with pytest.raises(BadArgumentsError) as caught:
        actor.send(**{name: value})
    assert str(caught.value) == (
        f"argument {name!r} for acting.typed is {value!r} of type {type(value).__name__}, must be of type {wanted}, "
        "as its function says"
    )
    assert not TaskStatus.objects.exists()


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments",
    [
        {"whole": 1, "text": "a", "flag": True, "part": 1, "maybe": None, "old": None, "implied": None, "late": None},
        {"whole": Number.ONE, "text": Colour.RED, "part": 1.5, "maybe": 1, "old": "a", "implied": 1, "late": 1},
        {"several": ["any"], "named": {"any": 1}},
        {"several": (1, 2)},
        {"unknown": 1, "other": 1, "free": 1, "mixed": "1", "bare": 1},
        {"any": "1"},
    ],
)
def test_what_a_simple_annotation_accepts_or_does_not_say_is_sent(actor: Any, arguments: dict[str, Any]) -> None:
    check(actor, arguments)


@pytest.mark.once
def test_a_secret_value_is_not_shown(actor: Any) -> None:
    actor.options["secret_args"] = ("whole",)
    with pytest.raises(BadArgumentsError, match=r"is '\*\*\*' of type str"):
        actor.send("hunter2")


def test_each_way_to_send_is_checked(broker: LedgerBroker) -> None:
    message = acting.add.message(1, "2")  # type: ignore[arg-type]
    later = acting.say.message_with_options(args=(1,), on_success=acting.add)
    ways = [
        lambda: acting.add.send(1, "2"),  # type: ignore[arg-type]
        lambda: acting.add.send_with_options(args=(1,), kwargs={"right": "2"}),
        lambda: broker.enqueue(message),
        lambda: broker.send_many([later, message]),
        lambda: dramatiq.group([later, message]).run(),
        lambda: django_tasks.add.enqueue("1"),  # type: ignore[arg-type]
        lambda: perform(acting.add, 1, "2"),
    ]
    for way in ways:
        with pytest.raises(BadArgumentsError, match=r"'[12]' of type str"):
            way()
    assert not TaskStatus.objects.exists()


def test_a_row_of_before_runs_as_it_is(broker: LedgerBroker) -> None:
    message = acting.add.send(1, 2)
    TaskStatus.objects.filter(task_id=message.message_id).update(args=["a", "b"])
    [row] = run_due()
    assert (row.status, row.result) == (states.COMPLETED, "ab")


@pytest.mark.once
def test_a_positional_argument_beside_options_is_refused() -> None:
    ways: list[Any] = [acting.add.send_with_options, acting.add.message_with_options]
    for send in ways:
        with pytest.raises(BadOptionError, match=r"acting\.add .*must be: send_with_options\(args=\(\.\.\.,\)"):
            send(7)


@pytest.mark.once
def test_an_unknown_actor_is_told_with_what_was_meant(broker: LedgerBroker) -> None:
    message = acting.add.message(1, 2).copy(actor_name="acting.ad")
    with pytest.raises(ActorNotFound, match=r"Unknown actor 'acting\.ad' \(did you mean 'acting\.add'\?\)"):
        broker.enqueue(message)
    with pytest.raises(ActorNotFound, match=r"Unknown actor 'zzz', must be one of the \d+ actors of: .*acting, "):
        broker.enqueue(message.copy(actor_name="zzz"))


def test_an_unknown_name_is_told_with_what_was_meant() -> None:
    with pytest.raises(BadArgumentsError, match=r"it has no parameter 'rigth', did you mean 'right'\?$"):
        acting.add.send(1, rigth=2)  # type: ignore[call-arg]
    with pytest.raises(BadArgumentsError, match=r"it has no parameter 'zzz'$"):
        acting.add.send(1, zzz=2)  # type: ignore[call-arg]
