"""The options of isolated actors: right and wrong forms."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.tasks.errors import BadOptionError
from workers.isolation import kernel
from workers.isolation.limits import BadIsolationError, Limits, in_units, limits_of
from workers.middleware.isolation import Isolation


def work() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({"isolate": True}, Limits()),
        ({"hard_time_limit": 30_000}, Limits(hard_ms=30_000)),
        ({"hard_time_limit": timedelta(seconds=1.5)}, Limits(hard_ms=1_500)),
        ({"hard_time_limit": timedelta(microseconds=1)}, Limits(hard_ms=1)),
        ({"hard_time_limit": 30_000, "time_limit": 30_000}, Limits(hard_ms=30_000)),
        ({"memory_limit": "512 MB"}, Limits(memory_bytes=512_000_000, memory_text="512 MB")),
        ({"memory_limit": "512mb"}, Limits(memory_bytes=512_000_000, memory_text="512mb")),
        ({"memory_limit": "1.5 GiB"}, Limits(memory_bytes=1_610_612_736, memory_text="1.5 GiB")),
        ({"memory_limit": 64_000_000}, Limits(memory_bytes=64_000_000, memory_text="64 MB")),
        ({"cpu_limit": 60}, Limits(cpu_seconds=60.0)),
        ({"cpu_limit": 0.5}, Limits(cpu_seconds=0.5)),
        ({"cpu_limit": timedelta(minutes=1), "isolate": True}, Limits(cpu_seconds=60.0)),
    ],
)
def test_each_limit_implies_isolation(options: dict[str, Any], limits: Limits) -> None:
    assert limits_of("acting.work", options) == limits


@pytest.mark.parametrize("options", [{}, {"isolate": False}, {"isolate": None, "memory_limit": None}])
def test_an_actor_without_them_is_not_isolated(options: dict[str, Any]) -> None:
    assert limits_of("acting.work", options) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory_limit": "much"}, "memory_limit='much', must be a size such as \"512 MB\""),
        ({"memory_limit": "512"}, "must be a size such as"),
        ({"memory_limit": "512 Mb/s"}, "must be a size such as"),
        ({"memory_limit": "-5 MB"}, "must be a size such as"),
        ({"memory_limit": True}, "must be a size such as"),
        ({"memory_limit": math.inf}, "must be a size such as"),
        ({"memory_limit": "1 MB"}, "must be from 32 MB"),
        ({"memory_limit": 0}, "must be from 32 MB"),
        ({"memory_limit": "9" * 400 + " GB"}, "must be a size such as"),
        ({"memory_limit": "2000 TB"}, "to 1,000,000 GB"),
        ({"hard_time_limit": 0}, "must be whole milliseconds or a timedelta"),
        ({"hard_time_limit": -1}, "must be whole milliseconds or a timedelta"),
        ({"hard_time_limit": 1.5}, "must be whole milliseconds or a timedelta"),
        ({"hard_time_limit": "30 s"}, "must be whole milliseconds or a timedelta"),
        ({"hard_time_limit": True}, "must be whole milliseconds or a timedelta"),
        ({"hard_time_limit": timedelta(0)}, "must be whole milliseconds or a timedelta"),
        ({"hard_time_limit": timedelta(days=36_500)}, "at most ten years"),
        ({"cpu_limit": 0}, "must be seconds or a timedelta"),
        ({"cpu_limit": math.nan}, "must be seconds or a timedelta"),
        ({"cpu_limit": math.inf}, "must be seconds or a timedelta"),
        ({"cpu_limit": "a minute"}, "must be seconds or a timedelta"),
        ({"cpu_limit": False}, "must be seconds or a timedelta"),
        ({"hard_time_limit": 1_000, "time_limit": 2_000}, "the hard limit must not be below the soft one"),
        ({"isolate": False, "memory_limit": "512 MB"}, "isolate=False and memory_limit"),
    ],
)
def test_a_wrong_form_is_refused_and_says_what_is_right(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadIsolationError) as raised:
        limits_of("acting.work", options)
    assert str(raised.value).startswith("acting.work has ")
    assert words in str(raised.value)


def test_a_declaration_with_a_wrong_limit_raises_and_declares_nothing(declare: Callable[..., Any], broker: Any) -> None:
    with pytest.raises(BadIsolationError):
        declare(work, memory_limit="much")
    assert "acting.work" not in broker.actors


@pytest.mark.parametrize("value", ["yes", 1, 0])
def test_isolate_is_true_or_false(declare: Callable[..., Any], value: Any) -> None:
    with pytest.raises(BadOptionError, match="must be True or False"):
        declare(work, isolate=value)


def test_a_send_cannot_change_them(declare: Callable[..., Any]) -> None:
    actor = declare(work, hard_time_limit=1_000)
    with pytest.raises(BadOptionError, match=r"it belongs on the actor: @dramatiq.actor\(hard_time_limit=...\)"):
        actor.send_with_options(hard_time_limit=2_000)


def test_an_actor_that_is_called_runs_where_it_is_called(declare: Callable[..., Any]) -> None:
    ran: list[str] = []
    declare(_note(ran), isolate=True)()
    assert ran == ["here"]


def _note(ran: list[str]) -> Callable[[], None]:
    def note() -> None:
        ran.append("here")

    return note


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(530_400_000, "530 MB"), (1_500_000_000, "1.5 GB"), (2_000_000_000, "2 GB"), (31_999, "32 kB")],
)
def test_a_size_is_shown_in_decimal_units(size_bytes: int, text: str) -> None:
    assert in_units(size_bytes) == text


def test_a_worker_says_what_is_not_held_on_its_system(declare, broker, monkeypatch, caplog) -> None:
    declare(work, memory_limit="512 MB")
    middleware = next(one for one in broker.middleware if isinstance(one, Isolation))
    monkeypatch.setattr(middleware.server, "start", lambda: None)
    monkeypatch.setattr(kernel, "IS_LINUX", False)

    class Worker:
        consumer_whitelist = None

    middleware.before_worker_boot(broker, Worker())  # type: ignore[arg-type]
    assert "isolation is incomplete on this system" in caplog.text
    assert "process group" in caplog.text


def test_a_worker_without_isolated_actors_starts_no_server(broker, monkeypatch) -> None:
    started = []
    middleware = next(one for one in broker.middleware if isinstance(one, Isolation))
    monkeypatch.setattr(middleware.server, "start", lambda: started.append(1))

    class Worker:
        consumer_whitelist = frozenset({"default"})

    middleware.before_worker_boot(broker, Worker())  # type: ignore[arg-type]
    assert not started
