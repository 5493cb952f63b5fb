"""dramatiq-workflow: chains and groups in each other."""

from typing import Any

import dramatiq
import pytest
from dramatiq.rate_limits.backends import StubBackend
from dramatiq_workflow import Chain, Group, Workflow, WorkflowMiddleware

from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect

pytestmark = pytest.mark.django_db(transaction=True)

# The import declares an actor, of which other tests know nothing.
NOOP = dramatiq.get_broker().actors.pop("workflow_noop")


@pytest.fixture(autouse=True)
def declared(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(broker.actors, NOOP.actor_name, NOOP)


def test_a_chain_waits_for_its_group(install, broker, wait_until) -> None:
    middleware = WorkflowMiddleware(StubBackend())
    install(middleware)
    group = Group(*(tasks.effect.message(f"middle {number}") for number in range(3)))
    Workflow(Chain(tasks.effect.message("first"), group, tasks.effect.message("last"))).run()
    wait_until(lambda: TaskStatus.objects.filter(args=["last"], status="completed").exists())
    nonces: Any = list(Effect.objects.order_by("pk").values_list("nonce", flat=True))
    assert (nonces[0], nonces[-1], len(nonces)) == ("first", "last", 5)


def test_a_retry_keeps_its_place_in_the_chain(install, wait_until) -> None:
    install(WorkflowMiddleware(StubBackend()))
    failing = tasks.fail_times.message_with_options(args=(2,), min_backoff=0, max_retries=3)
    Workflow(Chain(failing, tasks.effect.message("last"))).run()
    row = wait_until(lambda: TaskStatus.objects.filter(args=["last"], status="completed").first())
    assert row.task_name == "acting.effect"
    assert TaskStatus.objects.filter(task_name="acting.effect").count() == 1
