"""Pauses as rows: who may be paused, what a second pause and a resume do, and which tasks wait."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.tasks import pauses
from apps.tasks.errors import BadPauseError, UnknownActorError, UnknownQueueError
from apps.tasks.models import Pause
from apps.tasks.signals import pauses_changed
from tests import rows

pytestmark = pytest.mark.django_db

ACTOR = "acting.effect"
QUEUE = "slow"


def test_a_pause_tells_since_when_by_whom_and_why() -> None:
    jane = User.objects.create(username="jane")
    found = pauses.pause(pauses.QUEUE, QUEUE, by=jane, why="  The mail server is down. ")
    assert (found.kind, found.name, found.by, found.why) == ("queue", QUEUE, "jane", "The mail server is down.")
    assert Pause.objects.get().since == found.since


def test_a_second_pause_leaves_the_first_as_it_is() -> None:
    first = pauses.pause(pauses.ACTOR, ACTOR, by="jane", why="first")
    second = pauses.pause(pauses.ACTOR, ACTOR, by="emily", why="second")
    assert (second.pk, second.by, second.why, second.since) == (first.pk, "jane", "first", first.since)


def test_a_queue_and_an_actor_of_one_name_are_paused_apart() -> None:
    rows.worker_process(queues=[ACTOR])
    pauses.pause(pauses.ACTOR, ACTOR)
    pauses.pause(pauses.QUEUE, ACTOR)
    pauses.resume(pauses.ACTOR, ACTOR)
    assert Pause.objects.get().kind == "queue"


def test_a_resume_returns_the_pause_that_ended() -> None:
    pauses.pause(pauses.QUEUE, QUEUE, by="jane")
    ended = pauses.resume(pauses.QUEUE, QUEUE)
    assert ended is not None
    assert ended.by == "jane"
    assert not Pause.objects.exists()
    assert pauses.resume(pauses.QUEUE, QUEUE) is None


@pytest.mark.parametrize("do", [pauses.pause, pauses.resume])
@pytest.mark.parametrize(
    ("kind", "name", "error", "told"),
    [
        ("queue", "slwo", UnknownQueueError, "Unknown queue 'slwo', must be one of: .*slow.*did you mean 'slow'"),
        ("queue", ACTOR, UnknownQueueError, "Unknown queue 'acting.effect'"),
        ("actor", "acting.effct", UnknownActorError, "Unknown actor 'acting.effct', .*did you mean 'acting.effect'"),
        ("actor", "", UnknownActorError, "Unknown actor ''"),
        ("actor", "a\x00b", UnknownActorError, r"Unknown actor 'a\\x00b'"),
        ("queue", "\ud800", UnknownQueueError, "Unknown queue"),
        ("task", QUEUE, BadPauseError, "of the kind queue or actor, not 'task'"),
    ],
)
def test_what_is_unknown_is_refused_with_the_valid_names(
    do: Any, kind: str, name: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        do(kind, name)
    assert not Pause.objects.exists()


def test_a_queue_of_a_worker_and_an_actor_in_the_figures_are_known() -> None:
    rows.worker_process(queues=["elsewhere"])
    pauses.pause(pauses.QUEUE, "elsewhere")
    rows.tally("other.actor", "other")
    pauses.pause(pauses.ACTOR, "other.actor")
    pauses.pause(pauses.QUEUE, "other")


def test_what_is_paused_can_be_resumed_although_its_code_is_gone() -> None:
    rows.pause("actor", "gone.actor")
    assert pauses.resume(pauses.ACTOR, "gone.actor") is not None


def test_a_long_reason_is_refused_and_an_odd_one_is_cleaned() -> None:
    with pytest.raises(BadPauseError, match="501 characters, must have 500"):
        pauses.pause(pauses.QUEUE, QUEUE, why="x" * 501)
    assert not Pause.objects.exists()
    found = pauses.pause(pauses.QUEUE, QUEUE, by="j\x00" + "x" * 300, why="a\x00\ud800")
    assert (found.by[:2], len(found.by), found.why) == ("j\ufffd", 255, "a\ufffd?")


@pytest.mark.parametrize(("kind", "name"), [("queue", QUEUE), ("actor", ACTOR)])
def test_tasks_of_a_paused_queue_or_actor_name_their_pause(kind: str, name: str) -> None:
    waiting = rows.task(ACTOR, queue_name=QUEUE)
    other = rows.task("acting.other", queue_name="default")
    made = pauses.pause(kind, name)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert pauses.of(waiting) == made
        assert pauses.of(other) is None
    assert len(queries) == 2
    pauses.resume(kind, name)
    assert pauses.of(waiting) is None


def test_each_change_is_told_once_it_is_committed(django_capture_on_commit_callbacks: Any) -> None:
    told: list[object] = []

    def tell(sender: object, **kwargs: object) -> None:
        told.append(sender)

    pauses_changed.connect(tell)
    try:
        for do in (pauses.pause, pauses.pause, pauses.resume, pauses.resume):
            with django_capture_on_commit_callbacks(execute=True):
                do(pauses.QUEUE, QUEUE)
    finally:
        pauses_changed.disconnect(tell)
    assert len(told) == 2
