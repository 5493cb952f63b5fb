"""Queues that the settings declare, and workers that take some of them by weights."""

from typing import Any

import dramatiq
import pytest
from django.core.management import CommandError, call_command
from dramatiq import Worker

from apps.tasks.conf import conf
from apps.tasks.errors import UnknownQueueError
from apps.tasks.models import TaskStatus
from apps.tasks.queues import BadQueueError, Queue
from tests.acting import tasks
from workers.management.commands.runworker import Command
from workers.process import weights
from workers.process.weights import BadWeightError

# --- The setting ---------------------------------------------------------------------------------


def test_queues_are_read_with_their_defaults(settings) -> None:
    settings.TASK_QUEUES = {
        "default": {},
        "documents": {"description": "Manuscripts", "max_waiting": 10, "weight": 3},
        "mail": Queue(weight=2),
    }
    assert {
        "default": Queue(description="", max_waiting=None, weight=1),
        "documents": Queue(description="Manuscripts", max_waiting=10, weight=3),
        "mail": Queue(weight=2),
    } == conf.TASK_QUEUES


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (["default"], r"TASK_QUEUES is \['default'\], must be a dict such as \{\"documents\""),
        (None, "TASK_QUEUES is None, must be a dict"),
        ({1: {}}, "TASK_QUEUES has the queue 1, a name must be a text of 1 to 100 characters"),
        ({"": {}}, "TASK_QUEUES has the queue '', a name must be"),
        ({"a": 3}, r"TASK_QUEUES\['a'\] is 3, must be a dict with any of: description, max_waiting, weight"),
        (
            {"a": {"max_wating": 3}},
            r"has 'max_wating', must be one of: description, max_waiting, weight \(did you mean 'max_waiting'\?\)",
        ),
        ({"a": {3: 3}}, "has 3, must be one of: description"),
        ({"a": {"description": 3}}, "has description=3, must be a text"),
        ({"a": {"max_waiting": 0}}, "has max_waiting=0, must be a whole number from 1 to 1,000,000, or None"),
        ({"a": {"max_waiting": True}}, "has max_waiting=True, must be a whole number"),
        ({"a": {"max_waiting": "9"}}, "has max_waiting='9', must be a whole number"),
        ({"a": {"weight": 0}}, "has weight=0, must be a whole number from 1 to 1,000"),
        ({"a": {"weight": 1.5}}, "has weight=1.5, must be a whole number"),
        ({"a": {"weight": None}}, "has weight=None, must be a whole number"),
        ({"a": Queue(weight=-1)}, "has weight=-1, must be a whole number"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_right(settings, value: Any, sentence: str) -> None:
    settings.TASK_QUEUES = value
    with pytest.raises(BadQueueError, match=sentence):
        _ = conf.TASK_QUEUES


# --- Actors and messages -------------------------------------------------------------------------


def test_an_actor_on_an_unknown_queue_is_refused_with_the_known_ones_and_the_closest(broker, settings) -> None:
    settings.TASK_QUEUES = {"default": {}, "documents": {}}
    with pytest.raises(UnknownQueueError) as refused:
        dramatiq.actor(actor_name="acting.odd", queue_name="documnets")(lambda: None)
    assert str(refused.value) == (
        "The actor 'acting.odd' is on the unknown queue 'documnets', must be one of: default, documents "
        "(did you mean 'documents'?)"
    )
    assert "acting.odd" not in broker.actors
    assert "documnets" not in broker.get_declared_queues()


def test_without_declared_queues_an_actor_may_name_any(broker, declare, settings) -> None:
    settings.TASK_QUEUES = {}
    declare(lambda: None, queue_name="elsewhere")
    assert "elsewhere" in broker.get_declared_queues()
    broker.queues.remove("elsewhere")


@pytest.mark.django_db
def test_a_message_for_an_unknown_queue_is_refused_in_the_caller(broker) -> None:
    with pytest.raises(UnknownQueueError, match=r"Unknown queue 'defualt'.*did you mean 'default'"):
        broker.enqueue(tasks.say.message(1).copy(queue_name="defualt"))
    assert not TaskStatus.objects.exists()


# --- The command line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["documents:3,default:1"], {"documents": 3, "default": 1}),
        (["documents:3", "default"], {"documents": 3, "default": 2}),
        (["documents, default:1000"], {"documents": 1, "default": 1_000}),
    ],
)
def test_queues_of_the_command_line_have_the_weights_of_the_settings_or_their_own(settings, words, expected) -> None:
    settings.TASK_QUEUES = {"default": {"weight": 2}, "documents": {}}
    assert weights.parse(words) == expected


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "slwo",
            r"Unknown queue 'slwo', must be one of: default, .*, slow \(did you mean 'slow'\?\)",
        ),
        ("", "Unknown queue '', must be one of"),
        ("slow,", "Unknown queue '', must be one of"),
        ("slow:0", "--queues has 'slow:0', the weight must be a whole number from 1 to 1,000"),
        ("slow:-1", "--queues has 'slow:-1', the weight must be"),
        ("slow:1001", "--queues has 'slow:1001', the weight must be"),
        ("slow:1.5", "--queues has 'slow:1.5', the weight must be"),
        ("slow:", "--queues has 'slow:', the weight must be"),
        ("slow:many", "--queues has 'slow:many', the weight must be"),
        ("slow:1:2", "--queues has 'slow:1:2', the weight must be"),
        ("slow:٣", "--queues has 'slow:٣', the weight must be"),
        (f"slow:{'9' * 5_000}", "--queues has 'slow:9999"),
        ("slow:1,slow:2", "--queues has 'slow' twice"),
        ("lonely:2", "--queues has 'lonely', which TASK_QUEUES declares and no actor is on, must be one of: default, "),
    ],
)
def test_a_wrong_queue_or_weight_ends_the_command_with_what_is_right(settings, word: str, sentence: str) -> None:
    settings.TASK_QUEUES = {name: {} for name in ("default", "slow", "lonely")}
    with pytest.raises((UnknownQueueError, BadWeightError), match=sentence):
        weights.parse([word])
    with pytest.raises(CommandError, match=sentence):
        call_command("runworker", "--queues", word)


# --- Weights -------------------------------------------------------------------------------------


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_a_process_runs_tasks_of_two_full_queues_by_their_weights(
    broker, booted, declare, wait_until, monkeypatch
) -> None:
    """The queue that is empty first gives all threads to the other."""
    monkeypatch.setattr("workers.process.prefetch.MOST_PER_THREAD", 1)
    monkeypatch.setattr(broker, "weights", {"slow": 3, "default": 1})
    ran: list[str] = []

    def heavy() -> None:
        ran.append("slow")

    def light() -> None:
        ran.append("default")

    heavy_actor, light_actor = declare(heavy, queue_name="slow"), declare(light)
    broker.send_many([*(heavy_actor.message() for _ in range(30)), *(light_actor.message() for _ in range(30))])
    worker = Worker(broker, queues={"slow", "default"}, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        wait_until(lambda: len(ran) == 60)
    finally:
        worker.stop(timeout=60_000)
        broker.middleware.pop()
    # The consumers do not start at the same instant, nor does each wait at each instant at which the thread is free.
    assert 14 <= ran[:24].count("slow") <= 22


def test_the_worker_processes_of_a_command_get_its_queues_with_their_weights(settings) -> None:
    settings.TASK_QUEUES = {"default": {"weight": 2}, "slow": {}}
    options = {"queues": weights.parse(["slow:3,default"]), "processes": 1, "threads": 4, "no_relay": True}
    options |= {"isolated": 0, "max_tasks": 0, "max_memory_mb": 0, "metrics_port": None}
    (child,) = Command().children_of(options)
    assert child.argv[-3:] == ["--queues", "slow:3", "default:2"]
    assert weights.parse(child.argv[-2:]) == {"slow": 3, "default": 2}
