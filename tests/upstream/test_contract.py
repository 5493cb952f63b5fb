"""Parts of Dramatiq's contract that no other test of this project is about."""

import threading
from typing import Any

import dramatiq
import pytest
from dramatiq import GenericActor, Message
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import StubBackend as StubLimiterBackend
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import StubBackend
from dramatiq.results.errors import ResultMissing

from apps.tasks import ledger, states
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers.apps import tell_middleware

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_MS = 30_000


def test_a_pipeline_has_the_results_of_its_messages(install) -> None:
    install()
    add: Any = tasks.add
    pipe = add.message(1, 2) | add.message(10) | add.message(100)
    pipe.run()
    assert pipe.get_result(block=True, timeout=PATIENCE_MS) == 113
    assert list(pipe.get_results()) == [3, 13, 113]
    assert (pipe.completed, pipe.completed_count) == (True, 3)


def test_a_message_of_a_pipeline_may_ignore_the_result_before_it(install) -> None:
    install()
    ignoring = tasks.add.message_with_options(args=(10, 20), pipe_ignore=True)
    pipe: Any = dramatiq.pipeline([tasks.add.message(1, 2), ignoring]).run()
    assert pipe.get_result(block=True, timeout=PATIENCE_MS) == 30


def test_a_group_has_the_results_of_its_messages_in_their_order(install) -> None:
    install()
    group = dramatiq.group([tasks.add.message(number, 1) for number in range(3)]).run()
    group.wait(timeout=PATIENCE_MS)
    assert list(group.get_results()) == [1, 2, 3]
    assert (group.completed, group.completed_count) == (True, 3)


def test_a_generic_actor_performs(install, broker) -> None:
    install()

    class Shouts(GenericActor):
        class Meta:
            actor_name = "acting.shouts"
            max_retries = 0

        def perform(self, text: str) -> str:
            return text.upper()

    try:
        message: Any = Shouts.send("whale")
        assert message.get_result(block=True, timeout=PATIENCE_MS) == "WHALE"
    finally:
        del broker.actors["acting.shouts"]


def test_a_task_over_a_rate_limiter_of_dramatiq_is_retried(install, declare, ended) -> None:
    install()
    limiter = ConcurrentRateLimiter(StubLimiterBackend(), "alone", limit=1)
    begun = threading.Event()

    def alone() -> str:
        begun.set()
        with limiter.acquire():
            return "done"

    with limiter.acquire():
        message = declare(alone, max_retries=None, min_backoff=1, max_backoff=2).send()
        assert begun.wait(PATIENCE_MS / 1000)
    assert ended(message).result == "done"


def test_results_may_be_kept_elsewhere_too(install, ended, declare, broker) -> None:
    backend = StubBackend()
    install(Results(backend=backend, store_results=True))

    def fails() -> None:
        raise KeyError("isbn")

    done, failed = tasks.add.send(1, 2), declare(fails, max_retries=0).send()
    assert backend.get_result(done, block=True, timeout=PATIENCE_MS) == 3
    with pytest.raises(ResultFailure, match=r"actor raised KeyError: 'isbn'"):
        backend.get_result(failed, block=True, timeout=PATIENCE_MS)


def test_a_result_that_is_kept_elsewhere_tells_of_a_task_that_the_ledger_ended(broker, monkeypatch) -> None:
    backend = StubBackend()
    middleware = Results(backend=backend, store_results=True)
    monkeypatch.setattr(broker, "middleware", [*broker.middleware, middleware])
    message: Message[Any] = tasks.add.send_with_options(args=(1, 2), delay=3_600_000)
    with pytest.raises(ResultMissing):
        backend.get_result(message)
    ledger.cancel(message.message_id)
    assert TaskStatus.objects.get().status == states.CANCELLED
    tell_middleware(None, task_ids=[message.message_id], move=states.CANCEL)
    with pytest.raises(ResultFailure, match=r"It was cancelled\."):
        backend.get_result(message)
