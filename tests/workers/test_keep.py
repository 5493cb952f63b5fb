"""`keep=` and `keep_result=` of an actor, and the relay that deletes."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.tasks.ledger import Retention
from apps.tasks.models import TaskStatus
from tests import rows
from workers.figures import FiguresThread
from workers.middleware.keep import BadKeepError
from workers.relay import Relay
from workers.retention import kept

pytestmark = [pytest.mark.django_db(transaction=True)]


def odd() -> None:
    pass


@pytest.mark.parametrize("option", ["keep", "keep_result"])
@pytest.mark.parametrize("value", [7, "7 days", timedelta(days=-1), timedelta(days=4_000), True])
def test_a_time_that_is_none_is_refused_where_the_actor_is_declared(declare, option: str, value: Any) -> None:
    with pytest.raises(BadKeepError, match=f"acting.odd has {option}=.*, must be a timedelta from 0 to 3,650 days, or"):
        declare(odd, **{option: value})


def test_settings_and_actors_say_how_long_tasks_are_kept(declare, broker, settings) -> None:
    settings.TASK_KEEP_FAILED_DAYS, settings.TASK_RESULT_EXPIRES_DAYS = 0, 2
    declare(odd, keep=timedelta(hours=1), keep_result=None)
    found = kept(broker.actors)
    assert found.of_task("other", "completed") == timedelta(days=7)
    assert found.of_task("other", "cancelled") == timedelta(days=30)
    assert found.of_task("other", "failed") is None
    assert found.of_result("other") == timedelta(days=2)
    assert found.of_task("acting.odd", "failed") == timedelta(hours=1)
    assert found.of_result("acting.odd") is None


def test_the_relay_deletes_old_tasks_and_says_how_many(broker, caplog) -> None:
    caplog.set_level("INFO")
    long_ago = timezone.now() - timedelta(days=100)
    rows.task(status="completed", finished_at=long_ago)
    TaskStatus.objects.update(created_at=long_ago)
    young = rows.task(status="completed", finished_at=timezone.now())
    relay = Relay(broker)
    relay.delete_old()
    assert TaskStatus.objects.count() == 2  # Nothing is counted yet.
    FiguresThread().look()
    relay = Relay(broker)
    relay.delete_old()
    assert TaskStatus.objects.get() == young
    assert "old tasks deleted count=1 results=0" in caplog.text
    caplog.clear()
    relay.delete_old()
    assert not caplog.records


def test_the_relay_rests_after_deletions_for_a_multiple_of_their_time(broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """They must not fill its passes when the machine is busy."""
    relay = Relay(broker)
    calls: list[float] = []

    def work(retention: Retention, kept: Any, *, seconds: float, before: Any) -> bool:
        calls.append(seconds)
        return True

    monkeypatch.setattr(Retention, "work", work)
    for rest, seen in ((0, 1), (0, 2), (1e12, 3), (1e12, 3)):
        monkeypatch.setattr("workers.relay.DELETE_REST", rest)
        relay.delete_old()
        assert len(calls) == seen
