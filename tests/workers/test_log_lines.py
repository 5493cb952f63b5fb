"""Log lines of tasks: kept with their attempts, and read while the tasks run."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.utils import timezone

from apps.tasks import ledger, log_handler, log_lines, progress
from apps.tasks.conf import conf
from apps.tasks.errors import BadOptionError
from apps.tasks.log_buffer import Buffer, Line
from apps.tasks.models import TaskLogPart, TaskStatus, WorkerProcess
from tests import rows
from tests.acting import tasks
from tests.isolated_server import serving

pytestmark = pytest.mark.django_db(transaction=True)

logger = logging.getLogger("acting.own")
SECRET = "hunter2-of-jane"


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(logging.NOTSET)


def texts(task: TaskStatus, **options: Any) -> list[str]:
    """Return the lines of the actors here."""
    return [line.text for line in log_lines.of(task, **options).lines if line.logger == "acting.own"]


# --- What is kept --------------------------------------------------------------------------------


def test_a_line_has_its_time_its_level_and_its_logger(working, declare, ended) -> None:
    def log() -> None:
        logger.debug("too low")
        logger.warning("page %d is torn", 7)

    before = timezone.now()
    task = ended(declare(log, max_retries=0).send())
    [line] = [line for line in log_lines.of(task).lines if line.logger == "acting.own"]
    assert (line.level, line.text) == ("WARNING", "page 7 is torn")
    assert before - timedelta(seconds=1) < line.time < timezone.now() + timedelta(seconds=1)


def test_a_task_that_logs_nothing_has_no_rows(working, declare, ended) -> None:
    def say_nothing() -> None:
        pass

    ended(declare(say_nothing).send())
    assert not TaskLogPart.objects.exists()


def test_each_attempt_has_its_own_lines(working, declare, ended) -> None:
    def fail_once() -> None:
        attempt = progress.current().message.options["attempt"]  # type: ignore[union-attr]
        logger.info("attempt %d", attempt)
        if not attempt:
            raise ValueError("no")

    task = ended(declare(fail_once, max_retries=1, min_backoff=1, max_backoff=1).send())
    assert log_lines.attempts_of(task) == [1, 0]
    assert texts(task) == ["attempt 1"]
    assert texts(task, attempt=0) == ["attempt 0"]


def test_lines_of_coroutines_and_of_carried_threads_are_kept(working, declare, ended) -> None:
    async def log_async() -> None:
        await asyncio.sleep(0)
        logger.info("in the loop")
        await asyncio.to_thread(logger.info, "in a thread of the loop")
        thread = threading.Thread(target=progress.carry(logger.info), args=("in a thread",))
        thread.start()
        thread.join()

    task = ended(declare(log_async, max_retries=0).send())
    assert texts(task) == ["in the loop", "in a thread of the loop", "in a thread"]


def test_lines_of_two_tasks_at_once_are_kept_apart(working, declare, ended) -> None:
    barrier = threading.Barrier(2)

    def log(name: str) -> None:
        barrier.wait(20)
        for number in range(20):
            logger.info("%s %d", name, number)

    actor = declare(log, max_retries=0)
    messages = {name: actor.send(name) for name in ("a", "b")}
    for name, message in messages.items():
        assert texts(ended(message)) == [f"{name} {number}" for number in range(20)]


def test_an_exception_is_below_its_line_and_shows_no_secret(working, declare, ended) -> None:
    def fail(password: str) -> None:
        try:
            raise ValueError(f"wrong {password}")
        except ValueError:
            logger.exception("refused %s", password)

    [text] = texts(ended(declare(fail, max_retries=0).send(SECRET)))
    assert text.startswith("refused ***\nTraceback (most recent call last):\n")
    assert text.endswith("\nValueError: wrong ***")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\x00b\ud800c", "a\ufffdb?c"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\u202eabc", "\u202eabc"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_any_text_is_stored(working, declare, ended, text: str, kept: str) -> None:
    def log() -> None:
        logger.info(text)

    assert texts(ended(declare(log, max_retries=0).send())) == [kept]


def test_a_long_line_keeps_its_start_and_its_end(working, declare, ended) -> None:
    def log() -> None:
        logger.info("a" * 500_000 + "z" * 500_000)

    [text] = texts(ended(declare(log, max_retries=0).send()))
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert "… 992,000 characters …" in text
    assert len(text) < 9_000


class Talkative:
    """A value that logs when it is written."""

    def __str__(self) -> str:
        logger.info("I am written: %s", Talkative.__name__)
        return "talk"


class Broken:
    def __str__(self) -> str:
        raise ValueError("no text")


def test_a_line_that_cannot_be_made_does_no_harm(working, declare, ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def log() -> None:
        logger.info("first %s", Talkative())
        logger.info("second %s", Broken())
        logger.info("third %d %d", 1)

    task = ended(declare(log, max_retries=0).send())
    assert task.status == "completed"
    # Other handlers write the value as well.
    assert [text for text in texts(task) if not text.startswith("I am written")] == [
        "first talk",
        "second %s [ValueError while its values were put in]",
        "third %d %d [TypeError while its values were put in]",
    ]


def test_an_actor_keeps_no_lines_if_it_says_so(working, declare, ended) -> None:
    def log() -> None:
        logger.error("secret")

    ended(declare(log, max_retries=0, keep_logs=False).send())
    assert not TaskLogPart.objects.exists()
    with pytest.raises(BadOptionError, match=r"option 'keep_logs' for acting.other is 'no', must be True or False"):

        def other() -> None:
            pass

        declare(other, keep_logs="no")


def test_the_settings_turn_it_off_and_say_the_level(settings) -> None:
    settings.TASK_LOG_LINES = 0
    log_handler.install()
    assert not [one for one in logging.getLogger().handlers if isinstance(one, log_handler.LogHandler)]
    settings.TASK_LOG_LEVEL = "LOUD"
    with pytest.raises(ImproperlyConfigured, match="TASK_LOG_LEVEL is 'LOUD', must be one of: DEBUG, INFO"):
        _ = conf.TASK_LOG_LEVEL


def test_python_still_shows_warnings_where_no_handler_is_configured(capsys) -> None:
    handler = log_handler.LogHandler()
    root = logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    try:
        logging.getLogger("nobody.listens").warning("seen")
        logging.getLogger("nobody.listens").info("not seen")
    finally:
        root.handlers = before
    assert capsys.readouterr().err == "seen\n"


# --- The newest ----------------------------------------------------------------------------------


def buffer_of(count: int, *, text: str = "line", flush_every: int = 0) -> tuple[TaskStatus, Buffer]:
    """Log lines, and write them as a worker does. The rest stays in the buffer."""
    task = rows.task(status="processing")
    buffer = Buffer(tasks.effect.message("n"))
    for number in range(count):
        buffer.add(Line(number, 20, "acting.own", f"{text} {number}"))
        if flush_every and number % flush_every == flush_every - 1:
            flush(task, buffer)
    return task, buffer


def flush(task: TaskStatus, buffer: Buffer) -> None:
    part = buffer.part()
    assert part is not None
    log_lines.write([(task.pk, 0, part)])
    buffer.note_written()


@pytest.mark.parametrize("flush_every", [0, 70, 1_000, 3_000])
def test_the_newest_lines_are_kept_and_the_others_are_counted(flush_every: int) -> None:
    task, buffer = buffer_of(3_500, flush_every=flush_every)
    if buffer.has_news:
        flush(task, buffer)
    log = log_lines.of(task)
    numbers = [line.number for line in log.lines]
    assert numbers == list(range(log.dropped, log.dropped + len(numbers)))
    assert log.cursor == numbers[-1] == int(log.lines[-1].text.removeprefix("line "))
    assert len(numbers) <= 1_000
    if 3_500 % (flush_every or 1) == 0:
        assert (len(numbers), log.dropped) == (1_000, 2_500)
    assert sum(TaskLogPart.objects.values_list("count", flat=True)) <= 2_000


def test_large_lines_are_kept_up_to_256_kb() -> None:
    task, buffer = buffer_of(100, text="ä" * 4_000, flush_every=10)
    log = log_lines.of(task)
    assert len(log.lines) == 31
    assert log.dropped == 69
    assert sum(len(text.encode()) for text in TaskLogPart.objects.values_list("lines", flat=True)) < 2 * 256_000
    assert not buffer.has_news


def test_only_lines_after_a_cursor_are_read() -> None:
    task, buffer = buffer_of(30, flush_every=10)
    assert [line.number for line in log_lines.of(task, after=24).lines] == list(range(25, 30))
    log = log_lines.of(task, after=29)
    assert (log.lines, log.cursor, log.dropped) == ([], 29, 0)
    for number in range(1_500):
        buffer.add(Line(0, 20, "acting.own", f"more {number}"))
    flush(task, buffer)
    log = log_lines.of(task, after=29)
    assert (log.dropped, len(log.lines), log.cursor) == (500, 1_000, 1_529)


def test_lines_that_are_written_twice_are_there_once() -> None:
    """The answer of the database may have been lost."""
    task, buffer = buffer_of(5)
    part = buffer.part()
    buffer.add(Line(0, 20, "acting.own", "later"))
    assert part is not None
    assert buffer.part() == part
    for _ in range(2):
        log_lines.write([(task.pk, 0, part)])
    buffer.note_written()
    flush(task, buffer)
    assert [line.number for line in log_lines.of(task).lines] == list(range(6))


def test_lines_are_deleted_with_their_tasks(broker) -> None:
    task, _ = buffer_of(5, flush_every=5)
    task.delete()
    assert not TaskLogPart.objects.exists()
    long_ago = timezone.now() - timedelta(days=100)
    task, _ = buffer_of(5, flush_every=5)
    TaskStatus.objects.update(created_at=long_ago, finished_at=long_ago, status="completed")
    kept = ledger.Kept(by_state={"completed": timedelta(days=1)})
    ledger.Retention().work(kept, seconds=10)
    assert not TaskStatus.objects.exists()
    assert not TaskLogPart.objects.exists()


# --- While it runs -------------------------------------------------------------------------------


def test_the_lines_of_a_running_task_are_read_before_it_ends(working, declare, ended, wait_until) -> None:
    go_on = threading.Event()

    def log_and_wait() -> None:
        logger.info("begun")
        go_on.wait(20)
        logger.info("ended")

    message = declare(log_and_wait, max_retries=0).send()
    wait_until(TaskLogPart.objects.exists)
    task = TaskStatus.objects.get(task_id=message.message_id)
    assert task.status == "processing"
    assert texts(task) == ["begun"]
    cursor = log_lines.of(task).cursor
    go_on.set()
    assert texts(ended(message), after=cursor) == ["ended"]


def test_an_outcome_is_written_though_its_lines_cannot_be(working, declare, ended, monkeypatch, caplog) -> None:
    def fail(parts: Any) -> None:
        raise OperationalError("no space for lines")

    monkeypatch.setattr(log_lines, "write", fail)

    def log() -> None:
        logger.info("lost")

    assert ended(declare(log, max_retries=0).send()).status == "completed"
    assert "log lines of tasks cannot be written count=1 error=no space for lines" in caplog.text


@pytest.mark.processes
def test_lines_of_an_isolated_task_are_kept(actors, working, broker, ended) -> None:
    with serving(broker, LOG_LEVEL="INFO"):
        task = ended(actors.isolated_effect.send("n1"))
    assert task.status == "completed"
    assert "a line of the child nonce=n1" in [line.text for line in log_lines.of(task).lines]


@pytest.mark.processes
def test_lines_of_a_killed_worker_are_kept(worker: Callable[..., Any], gate, ended, wait_until) -> None:
    worker("--processes", "1", LOG_LEVEL="INFO")
    message = tasks.log_at.send(str(gate.path))
    parts = TaskLogPart.objects.filter(task__task_id=message.message_id)
    wait_until(parts.exists)
    worker_id = TaskStatus.objects.get(task_id=message.message_id).worker_id
    os.kill(WorkerProcess.objects.get(pk=str(worker_id)).pid, signal.SIGKILL)
    wait_until(parts.filter(attempt=1).exists)
    gate.open()
    task = ended(message)
    assert [line.text for line in log_lines.of(task, attempt=0).lines] == ["begun"]
    assert [line.text for line in log_lines.of(task).lines] == ["begun", "ended"]
