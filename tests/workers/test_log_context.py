"""Every line logged inside a task tells its task, its attempt and the request that it goes back to."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq
import pytest
from asgiref.sync import sync_to_async

from apps.core import request_id
from apps.tasks import progress
from apps.tasks.log_context import FIELDS, LogContext
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.isolated_server import serving

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST = "edge-7"
#: Logger of a library, which knows nothing of tasks.
library = logging.getLogger("library")


class Gathered(logging.Handler):
    """A handler as the settings make it, which keeps what lines tell."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(LogContext())
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, text: str) -> list[tuple[Any, ...]]:
        """Return the fields of the lines that have the text."""
        found = (vars(one) for one in self.records if text in one.getMessage())
        return [tuple(one[name] for name in FIELDS) for one in found]


@pytest.fixture
def lines() -> Iterator[Gathered]:
    handler = Gathered()
    for name in ("library", "workers.middleware"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.INFO)
    yield handler
    for name in ("library", "workers.middleware"):
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).setLevel(logging.NOTSET)


def in_request(send: Callable[[], Any]) -> Any:
    """Send inside of a request."""
    request_id.bind(REQUEST)
    try:
        return send()
    finally:
        request_id.bind("")


def test_lines_of_a_task_have_its_id_in_each_attempt(working, declare, ended, lines) -> None:
    def twice() -> None:
        library.info("reads")
        if len(lines.of("reads")) == 1:
            raise ValueError("no")

    message = in_request(declare(twice, max_retries=1, min_backoff=10, max_backoff=10).send)
    assert ended(message).status == "completed"
    attempts = [(message.message_id, "acting.twice", number, REQUEST) for number in range(2)]
    assert lines.of("reads") == attempts
    # The line about the end of each attempt, too.
    assert lines.of("task ") == attempts


def test_threads_and_coroutines_of_a_task_have_its_id(working, declare, ended, lines) -> None:
    async def awaits() -> None:
        library.info("on the loop")
        await asyncio.gather(asyncio.to_thread(library.info, "in a thread"), sync_to_async(library.info)("in sync"))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(progress.carry(library.info), "carried").result()

    message = in_request(declare(awaits, max_retries=0).send)
    assert ended(message).status == "completed"
    for text in ("on the loop", "in a thread", "in sync", "carried"):
        assert lines.of(text) == [(message.message_id, "acting.awaits", 0, REQUEST)], text


def test_what_a_task_sends_goes_back_to_its_request(working, declare, ended, wait_until) -> None:
    def sends() -> None:
        tasks.effect.send("sent")
        progress.carry(tasks.effect.send)("carried")
        (tasks.effect.message("first") | tasks.say.message_with_options()).run()
        (dramatiq.group([tasks.effect.message("member")])).run()

    def follows(message: Any, result: Any) -> None: ...

    follows = declare(follows)
    message = in_request(lambda: declare(sends, max_retries=0).send_with_options(on_success=follows))
    assert ended(message).status == "completed"
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())
    found = list(TaskStatus.objects.exclude(task_id=message.message_id).values_list("task_name", "options"))
    assert len(found) == 6
    assert {options["request_id"] for _, options in found} == {REQUEST}


def test_callbacks_of_a_group_go_back_to_its_request(working, wait_until) -> None:
    def send() -> None:
        group = dramatiq.group([tasks.effect.message("a"), tasks.effect.message("b")])
        group.add_completion_callback(tasks.effect.message("callback"))
        group.run()

    in_request(send)
    wait_until(lambda: TaskStatus.objects.filter(status="completed").count() == 3)
    assert {row.options["request_id"] for row in TaskStatus.objects.all()} == {REQUEST}


def test_tasks_of_no_request_have_none(working, ended, declare, lines) -> None:
    def logs() -> None:
        library.info("reads")

    message = declare(logs).send()
    assert ended(message).options == {}
    assert lines.of("reads") == [(message.message_id, "acting.logs", 0, None)]
    library.info("outside")
    assert lines.of("outside") == [(None, None, None, None)]


@pytest.mark.parametrize("value", ["a b", "x\ny", 7, None, ["a"], "x" * 201])
def test_an_id_that_another_program_wrote_is_not_shown(working, declare, ended, lines, value) -> None:
    def logs() -> None:
        library.info("reads")
        tasks.effect.send("sent")

    actor = declare(logs)
    message = actor.message()
    message.options["request_id"] = value
    assert ended(working.broker.enqueue(message)).status == "completed"
    assert lines.of("reads")[0][3] is None
    assert "request_id" not in TaskStatus.objects.get(task_name="acting.effect").options


@pytest.mark.processes
def test_lines_of_an_isolated_task_have_its_id(actors, working, broker, ended, capfd) -> None:
    with serving(broker, LOG_FORMAT="json", LOG_LEVEL="INFO"):
        row = ended(in_request(lambda: actors.isolated_effect.send("n")))
        assert row.status == "completed", row.error_message
    (line,) = [json.loads(one) for one in capfd.readouterr().err.splitlines() if "a line of the child" in one]
    assert [line[name] for name in FIELDS] == [row.task_id, "acting.isolated_effect", 0, REQUEST]
    assert line["message"] == "a line of the child nonce=n"
    assert TaskStatus.objects.get(task_id=row.result["sent"]).options == {"request_id": REQUEST}


def test_a_thread_of_its_own_does_not_keep_the_task(working, declare, ended, lines) -> None:
    def starts() -> None:
        thread = threading.Thread(target=library.info, args=("bare",))
        thread.start()
        thread.join()

    ended(declare(starts).send())
    assert lines.of("bare") == [(None, None, None, None)]


def test_a_line_that_names_a_task_itself_has_all_fields(lines) -> None:
    in_request(lambda: library.info("asks for it", extra={"task_id": "t-1"}))
    assert lines.of("asks for it") == [("t-1", None, None, REQUEST)]
