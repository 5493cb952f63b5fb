"""`manage.py tasks list`, `show`, `causes` and `stats`."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError
from django.utils import timezone

from aiWriting.environment import BASE_DIR
from apps.tasks import audit, figures, search
from apps.tasks.commands import EXIT_CODES
from apps.tasks.failures import cause_of
from apps.tasks.models import TaskAttempt
from tests import rows
from tests.terminal import Terminal, end, objects, run
from workers.management.commands.tasks import ACTIONS

pytestmark = [pytest.mark.once, pytest.mark.django_db]

HOSTILE = "<script>\x1b[31m\u202e" + "x" * 1_000_000


def failed(message: str = "'isbn'", *, error_type: str = "KeyError", **values):
    name = values.setdefault("task_name", "documents.process_document")
    values.setdefault("finished_at", timezone.now())
    cause = cause_of(name, error_type, message)
    return rows.task(status="failed", error_type=error_type, error_message=message, cause=cause, **values)


def test_the_list_has_the_newest_tasks_with_state_and_note() -> None:
    rows.task(progress_text="Chapter 3", progress=40, status="processing", started_at=timezone.now())
    rows.task(delayed=True, retries=2, error_message="'isbn'", error_type="KeyError")
    failed(finished_at=timezone.now(), started_at=timezone.now() - timedelta(seconds=90))
    head, last, retrying, running = run("list")
    assert head.split() == ["ID", "STATE", "ACTOR", "PROGRESS", "RAN", "AGE", "NOTE"]
    assert "failed" in last
    assert "1 min 30 s" in last
    assert last.endswith("KeyError: 'isbn'")
    assert "retrying" in retrying
    assert "running" in running
    assert running.endswith("Chapter 3")


def test_the_list_is_limited(django_assert_num_queries) -> None:
    for _ in range(5):
        rows.task()
    with django_assert_num_queries(1):
        assert len(run("list", "--limit", "3")) == 4
    assert run("list", "--limit", "1", "--json") != []


def test_an_empty_list_says_so() -> None:
    assert run("list") == ["There are no tasks."]
    assert objects("list") == []


def test_json_is_one_object_a_line_for_programs() -> None:
    task = failed(HOSTILE)
    (found,) = objects("list")
    assert found["id"] == task.task_id
    assert found["status"] == "failed"
    assert found["error"] == HOSTILE
    assert found["created_at"].endswith("Z")
    (line,) = run("list", "--json")
    assert line.isascii()
    assert "\x1b" not in line


@pytest.mark.parametrize("arguments", [("list",), ("causes",), ("show", "ID")])
def test_hostile_texts_are_shown_as_text(arguments: tuple[str, ...], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    task = failed(HOSTILE, args=[HOSTILE], traceback=HOSTILE, progress_text="\u202e\x07")
    lines = run(*(task.task_id if word == "ID" else word for word in arguments), out=Terminal())
    text = "\n".join(lines)
    assert r"<script>\x1b[31m\u202e" in text
    assert not {"\x1b", "\u202e", "\x07"} & set(text)
    assert len(text) < 20_000


def test_a_task_is_found_by_the_beginning_of_its_id() -> None:
    task = rows.task(task_id="2ad60f39-affb-47ea-b73b-799f3ef986db")
    rows.task(task_id="2ad60f40-affb")
    assert objects("show", "2ad60f39")[0]["id"] == task.task_id
    with pytest.raises(CommandError, match="Several tasks begin with '2ad60f': 2ad60f39-") as several:
        run("show", "2ad60f")
    assert several.value.returncode == 2


@pytest.mark.parametrize("task_id", ["nowhere", "", "2ad", "%", "2ad60f39-affb-47ea-b73b-799f3ef986db0"])
def test_an_unknown_task_is_refused(task_id: str) -> None:
    rows.task(task_id="2ad60f39-affb-47ea-b73b-799f3ef986db")
    with pytest.raises(CommandError, match="Unknown task") as refused:
        run("show", task_id)
    assert refused.value.returncode == 2


def test_all_of_a_task_is_shown() -> None:
    task = failed(args=[7], kwargs={"deep": True}, traceback="Traceback:\n  line 1\nKeyError: 'isbn'", retries=1)
    TaskAttempt.objects.create(
        task=task, attempt=0, outcome="retry", error_message="busy", error_type="OSError", ended_at=timezone.now()
    )
    audit.note("priority", by=audit.By(name="jane", door=audit.ADMIN), row_ids=[task.pk], value="3", reason="late")
    text = "\n".join(run("show", task.task_id))
    for part in (
        "documents.process_document  failed", task.task_id, "args        [7]", 'kwargs      {"deep": true}', "retries",
        "  KeyError: 'isbn'", "    line 1", "attempt 0", "retry  OSError: busy",
        "Priority changed 3 by jane, ", " ago: late",
    ):  # fmt: skip
        assert part in text
    (found,) = objects("show", task.task_id)
    assert found["attempts"][0]["outcome"] == "retry"
    assert found["args"] == [7]
    assert found["audit"][0]["by"] == "jane"


def test_failures_are_grouped_by_their_cause() -> None:
    failed("'isbn'")
    failed("'title'")
    failed("no mailbox", error_type="MailError", task_name="mail.send")
    failed("old", finished_at=timezone.now() - timedelta(hours=3))
    head, first, second = run("causes")
    assert head.split() == ["FAILED", "ACTOR", "ERROR", "FIRST", "LAST", "CAUSE"]
    assert first.split()[:2] == ["2", "documents.process_document"]
    assert second.split()[:2] == ["1", "mail.send"]
    found = objects("causes")
    assert [one["failed"] for one in found] == [2, 1]
    assert found[0]["cause"] in first
    assert len(objects("causes", "--last", "day")) == 3
    assert len(objects("causes", "--limit", "1")) == 1


def test_without_failures_there_are_no_causes() -> None:
    assert run("causes") == ["No task failed in the last hour."]


def test_figures_are_shown_by_actor_or_queue() -> None:
    now = timezone.now()
    rows.task(status="completed", created_at=now, started_at=now, finished_at=now)
    rows.task("mail.send", queue_name="mail", status="failed", finished_at=now)
    while figures.keep_up():
        pass
    assert [line.split()[0] for line in run("stats")] == ["ACTOR", "documents.process_document", "mail.send", "all"]
    by_queue = {one["queue"]: one for one in objects("stats", "--by", "queue")}
    assert by_queue["mail"]["failed"] == 1
    assert by_queue["default"]["completed"] == 1


def test_without_tasks_there_are_no_figures() -> None:
    assert run("stats", "--last", "week")[-1] == "Nothing was sent and nothing ended in the last week."


@pytest.mark.parametrize(
    "arguments",
    [("list", "--limit", "0"), ("list", "--limit", "²"), ("wait", "x", "--timeout", "nan"), ("frobnicate",)],
)
def test_wrong_arguments_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"must be|invalid choice"):
        run(*arguments)


def test_the_help_tells_the_exit_codes(capsys) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    told = capsys.readouterr().out
    for code, meaning in EXIT_CODES.items():
        assert f"  {code:<3}  {meaning}" in told
    for name in ACTIONS:
        assert name in told


@pytest.mark.once
@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_closed_pipe_leaves_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "aiWriting.settings"}
    with os.fdopen(writing, "w") as nobody:
        argv = [sys.executable, str(BASE_DIR / "manage.py"), "tasks", "--help"]
        found = subprocess.run(argv, env=env, stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=120)
    assert "Traceback" not in found.stderr


def test_the_list_has_the_tasks_of_a_search() -> None:
    found = failed("no mailbox", error_type="MailError", task_name="mail.send")
    failed("'isbn'")
    rows.task("mail.send")
    assert [one["id"] for one in objects("list", "state:failed", "actor:mail.send")] == [found.task_id]
    assert [one["id"] for one in objects("list", 'state:failed "no mailbox"')] == [found.task_id]
    assert run("list", "state:cancelled") == ["There are no such tasks."]


@pytest.mark.parametrize("words", ["stat:failed", "state:faild", 'error:"no end'])
def test_a_wrong_word_of_a_search_is_refused(words: str) -> None:
    with pytest.raises(CommandError, match=r"must be one of|has no end") as refused:
        run("list", words)
    assert refused.value.returncode == 2


def test_a_search_that_is_limited_says_so(monkeypatch) -> None:
    find = search.Search.find
    monkeypatch.setattr(search.Search, "find", lambda line, tasks: find(line, tasks, newest=2))
    for _ in range(3):
        rows.task("mail.send")
    assert run("list", "actor:mail.send")[-1].startswith("Searched: the newest ")


def test_secret_arguments_are_masked() -> None:
    task = rows.task(
        "of.another.release", args=["hunter2"], kwargs={"password": "hunter2"}, result={"token": "hunter2"}
    )
    assert "hunter2" not in "\n".join(run("show", task.task_id) + run("show", task.task_id, "--json"))


def test_why_tells_in_a_sentence_whether_something_has_to_be_done() -> None:
    task = rows.task()
    code, (sentence, *_remedy) = end("why", task.task_id)
    assert code == 1
    assert sentence.startswith("No ")
    (found,) = [json.loads(line) for line in end("why", task.task_id, "--json")[1]]
    assert (found["is_trouble"], found["text"]) == (True, sentence)
    assert end("why", failed().task_id)[0] == 0
    assert sentence in "\n".join(run("show", task.task_id))
