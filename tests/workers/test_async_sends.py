"""`asend` in async code: views, transactions, tests, and async actors."""

import asyncio
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from apps.tasks.errors import AsyncTransactionError, BadArgumentsError, BadOptionError
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from tests.web import serving
from workers.broker import LedgerBroker
from workers.sending.actor import LedgerActor

effect = cast("LedgerActor[Any, Any]", tasks.effect)


def published(broker: LedgerBroker) -> list[str]:
    """Return the task ids that wait on the default queue in Redis."""
    ids: Any = broker.wire.workers.lrange(broker.wire.queue_key("default"), 0, -1)
    return [wire_id.decode().rsplit(":", 1)[0] for wire_id in ids]


async def send_and_write(nonce: str) -> str:
    """Send between two of Django's async queries."""
    await Effect.objects.acreate(nonce=nonce, task_id="", attempt=0, pid=0)
    message = await effect.asend(nonce)
    assert await TaskStatus.objects.filter(task_id=message.message_id).aexists()
    return message.message_id


@pytest.mark.django_db
def test_an_async_test_has_its_sends_in_its_own_transaction(broker) -> None:
    def is_committed() -> bool:
        try:
            return TaskStatus.objects.exists()
        finally:
            connection.close()

    task_id = async_to_sync(send_and_write)("n")
    assert TaskStatus.objects.get().task_id == task_id
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(is_committed).result()


@pytest.mark.django_db(transaction=True)
def test_an_async_send_has_the_options_and_the_refusals_of_a_send(broker) -> None:
    message = async_to_sync(effect.asend_with_options)(args=("n",), message_id="mine", max_retries=1)
    row = TaskStatus.objects.get()
    assert (row.task_id, row.options) == (message.message_id, {"max_retries": 1}) == ("mine", {"max_retries": 1})
    assert published(broker) == ["mine"]
    with pytest.raises(BadOptionError, match=r"countdown: did you mean delay\?"):
        async_to_sync(effect.asend_with_options)(args=("n",), countdown=5)
    with pytest.raises(BadArgumentsError, match="missing a required argument"):
        async_to_sync(effect.asend)()
    assert TaskStatus.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_async_send_belongs_to_the_transaction_around_async_to_sync(broker) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        async_to_sync(send_and_write)("rolled back")
        raise RuntimeError
    assert not TaskStatus.objects.exists()
    assert not Effect.objects.exists()
    with transaction.atomic():
        task_id = async_to_sync(send_and_write)("kept")
        assert published(broker) == []
    assert published(broker) == [task_id]


@pytest.mark.django_db(transaction=True)
def test_async_code_sends_in_a_transaction_of_a_function_in_a_thread(broker) -> None:
    @transaction.atomic
    def write(nonce: str) -> str:
        task_id = async_to_sync(send_and_write)(nonce)
        if nonce == "rolled back":
            raise RuntimeError
        assert published(broker) == []
        return task_id

    async def main() -> str:
        with pytest.raises(RuntimeError):
            await sync_to_async(write)("rolled back")
        return await sync_to_async(write)("kept")

    task_id = async_to_sync(main)()
    assert published(broker) == [task_id]
    assert TaskStatus.objects.get().args == ["kept"]


@pytest.mark.django_db(transaction=True)
def test_an_async_send_that_could_not_belong_to_the_open_transaction_is_refused(broker) -> None:
    """`asyncio.run` runs the loop in the thread of the transaction, and another thread would write the row."""
    with transaction.atomic(), pytest.raises(AsyncTransactionError, match=r"inside transaction\.atomic") as caught:
        asyncio.run(effect.asend("n"))
    assert "asgiref.sync.async_to_sync instead of asyncio.run" in str(caught.value)
    assert not TaskStatus.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("send", [effect.send, lambda nonce: effect.send_with_options(args=(nonce,))])
def test_a_send_in_async_code_says_what_to_write(broker, send) -> None:
    async def main() -> None:
        send("n")

    with pytest.raises(
        SynchronousOnlyOperation, match=r"acting\.effect was sent from async code.* await effect\.asend\("
    ):
        async_to_sync(main)()
    assert not TaskStatus.objects.exists()


# --- Views ---------------------------------------------------------------------------------------


async def send_view(request: HttpRequest) -> JsonResponse:
    user = await get_user_model().objects.aget()
    sends = (effect.asend_with_options(args=(str(number),), owner_id=user.pk) for number in range(5))
    messages = await asyncio.gather(*sends)
    found = TaskStatus.objects.filter(task_id__in=[message.message_id for message in messages], owner=user)
    return JsonResponse({"sent": [message.message_id for message in messages], "found": await found.acount()})


async def roll_back_view(request: HttpRequest) -> JsonResponse:
    def write() -> None:
        with transaction.atomic():
            effect.send("rolled back")
            transaction.set_rollback(True)

    await sync_to_async(write)()
    message = await effect.asend("kept")
    return JsonResponse({"sent": [message.message_id]})


urlpatterns = [path("send/", send_view), path("roll-back/", roll_back_view)]


def got(port: int, url: str) -> Any:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("GET", url)
        answer = client.getresponse()
        assert answer.status == 200
        return json.loads(answer.read())
    finally:
        client.close()


@pytest.mark.django_db(transaction=True)
def test_async_views_of_a_real_server_send(broker, settings) -> None:
    get_user_model().objects.create_user("jane")
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    with serving() as port:
        told = got(port, "/send/")
        kept = got(port, "/roll-back/")
    assert told["found"] == 5
    assert set(TaskStatus.objects.values_list("task_id", flat=True)) == {*told["sent"], *kept["sent"]}
    assert set(published(broker)) == {*told["sent"], *kept["sent"]}


# --- Async actors --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_async_actor_sends_and_does_not_hold_up_its_event_loop(declare, working, ended, monkeypatch) -> None:
    began, go = threading.Event(), threading.Event()
    enqueue = LedgerBroker.enqueue

    def slow(self: LedgerBroker, message: Any, *, delay: Any = None) -> Any:
        if message.actor_name == "acting.effect":
            began.set()
            assert go.wait(60)
        return enqueue(self, message, delay=delay)

    monkeypatch.setattr(LedgerBroker, "enqueue", slow)

    async def sends() -> str:
        sending = asyncio.create_task(effect.asend("n"))
        while not began.is_set():
            await asyncio.sleep(0.001)
        # Only a loop that goes on gets here.
        go.set()
        return (await sending).message_id

    user = get_user_model().objects.create_user("jane")
    parent = ended(declare(sends, max_retries=0).send_with_options(owner_id=user.pk))
    assert parent.status == "completed", parent.error_message
    child = TaskStatus.objects.get(task_id=parent.result)
    assert child.owner == user


@pytest.mark.django_db(transaction=True)
def test_an_async_send_of_a_transactional_actor_belongs_to_its_transaction(declare, working, ended) -> None:
    def sends(nonce: str) -> str:
        task_id = async_to_sync(send_and_write)(nonce)
        if nonce == "rolled back":
            raise RuntimeError
        return task_id

    actor = declare(sends, transactional=True, max_retries=0)
    assert ended(actor.send("rolled back")).status == "failed"
    assert not TaskStatus.objects.filter(task_name="acting.effect").exists()
    parent = ended(actor.send("kept"))
    assert ended(tasks.effect.message("").copy(message_id=parent.result)).result == "kept"
