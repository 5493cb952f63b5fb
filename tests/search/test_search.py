"""Searches for tasks: the words of a line, what they find, and what they are limited to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from aiWriting.environment import BASE_DIR
from apps.accounts.models import User
from apps.tasks import masking, search, states
from apps.tasks.models import Schedule, TaskGroup, TaskStatus
from apps.tasks.search import arguments
from tests import rows

pytestmark = pytest.mark.django_db


def found(line: str, **options: Any) -> list[str]:
    """Return the names of the tasks that a line finds, the newest first."""
    tasks = search.parse(line, **options).rows(TaskStatus.objects.order_by("-pk"))
    return list(tasks.values_list("task_name", flat=True))


@pytest.fixture
def various() -> None:
    """Make a task for each state, named for it."""
    now, later = timezone.now(), timezone.now() + timedelta(days=1)
    rows.task("waiting")
    rows.task("delayed", delayed=True, run_at=later)
    rows.task("retrying", delayed=True, run_at=later, retries=2)
    rows.task("limited", in_line=True, line="")
    rows.task("running", status=states.PROCESSING, worker_id=rows.worker_process(hostname="web-7", pid=41).pk)
    rows.task("cancel-requested", status=states.PROCESSING, cancel_requested_at=now)
    rows.task("done", status=states.COMPLETED, finished_at=now)
    rows.task("failed", status=states.FAILED, finished_at=now, error_type="app.mail.MailRefusedError")
    rows.task("crashed", status=states.FAILED, finished_at=now, crashes=3, error_message="Its worker died")
    rows.task("cancelled", status=states.CANCELLED, finished_at=now)
    held = rows.task("held", delayed=True, run_at=later)
    times = {"anchor_at": now, "decided_until": now}
    schedule = Schedule.objects.create(name="weekly mail", task_name="held", cron="0 8 * * 1", **times)
    schedule.slots.create(slot=now, first_slot=now, outcome="fired", task_id=held.task_id, is_held=True)


@pytest.mark.usefixtures("various")
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("state:waiting", ["waiting"]),
        ("state:delayed", ["held", "delayed"]),
        ("state:retrying", ["retrying"]),
        ("state:limited", ["limited"]),
        ("state:held", ["held"]),
        ("state:running", ["cancel-requested", "running"]),
        ("state:processing", ["cancel-requested", "running"]),
        ("state:cancel-requested", ["cancel-requested"]),
        ("state:done", ["done"]),
        ("state:failed", ["crashed", "failed"]),
        ("State:Failed", ["crashed", "failed"]),
        ("state:crashed", ["crashed"]),
        ("state:cancelled", ["cancelled"]),
        ("state:pending", ["held", "limited", "retrying", "delayed", "waiting"]),
        ("state:failed state:cancelled", ["cancelled", "crashed", "failed"]),
        ("state:failed state:crashed actor:crashed", ["crashed"]),
        ("state:done state:waiting", ["done", "waiting"]),
        ("worker:web-7", ["running"]),
        ("worker:web-7:41", ["running"]),
        ('schedule:"weekly mail"', ["held"]),
        ('state:delayed schedule:"weekly mail"', ["held"]),
        ("error:MailRefusedError", ["failed"]),
        ("error:app.mail.MailRefusedError", ["failed"]),
        ("error:RefusedError", []),
        ("mailrefused", ["failed"]),
        ('"worker died"', ["crashed"]),
        ("worker died", ["crashed"]),
        ("worker lived", []),
        ("finished:1h state:failed", ["crashed", "failed"]),
        ("finished:1h", ["cancelled", "crashed", "failed", "done"]),
        ("sent:1h state:running", ["cancel-requested", "running"]),
        ("sent:2h..1h", []),
        ("sent:2000-01-01..2000-01-02", []),
        ("sent:2000-01-01.. state:done", ["done"]),
        ("finished:..2000-01-01", []),
    ],
)  # fmt: skip
def test_a_line_finds_the_tasks_that_have_its_words(line: str, names: list[str]) -> None:
    assert found(line) == names


def test_columns_are_words() -> None:
    owner = User.objects.create_user("jane.d", email="j@example.org")
    document = rows.document()
    task = rows.task("a.mine", owner=owner, about=document, queue_name="slow", priority=-7, cause="c1", status="failed")
    rows.task("a.other", about=rows.project("Other"), status="failed", cause="c2")
    TaskGroup.objects.create(key="g 1").members.create(task_id=task.task_id, position=0, number=0, is_last=True)

    for line in (
        "owner:jane.d", f"about:document/{document.pk}", f"about:documents.Document/{document.pk}", "queue:slow",
        "priority:-7", "cause:c1", 'group:"g 1"', f"id:{task.task_id}", task.task_id, f'"{task.task_id}"', "actor:mine",
        "actor:a.mine", f"owner:jane.d queue:slow about:Document/{document.pk}", "state:failed owner:jane.d",
    ):  # fmt: skip
        assert found(line) == (["a.mine"] if line != "actor:mine" else []), line


def test_an_actor_is_found_by_the_end_of_its_name() -> None:
    rows.task("documents.process_document")
    rows.task("documents.process_documents")

    assert found("actor:process_document") == ["documents.process_document"]


# --- Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"), ("7", "7"), (-7, "-7"), (7.5, "7.5"), (True, "true"), (None, "null"), ("a b", '"a b"'),
        (2**63 + 1, str(2**63 + 1)), (10**300, "1" + "0" * 300), ("Brontë", "Brontë"), ("🙂", "🙂"),
        ('say "hi"', r'"say \"hi\""'), ("a\\b", r"a\b"), ("50%_", "50%_"), ("'; DROP", "\"'; DROP\""),
        ("\u202eabc", "\u202eabc"), ("line\nbreak", '"line\nbreak"'), ("<script>", "<script>"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_task_is_found_by_an_argument_by_name_and_by_position(value: Any, text: str) -> None:
    rows.task("documents.process_document", kwargs={"document_id": value, "x": 1})
    rows.task("documents.process_document", args=[value])
    rows.task("documents.process_document", args=["other"], kwargs={"note": value})
    rows.task("gone.actor", args=[value])

    assert len(found(f"arg.document_id:{text}")) == 2
    assert len(found(f"args:{text}")) == 3


def test_values_of_several_arguments_are_those_of_one_task() -> None:
    rows.task("documents.process_document", kwargs={"x": 1, "y": 2})
    rows.task("aiwriting.debug_task", kwargs={"x": 1, "y": 3})

    assert found("arg.x:1 arg.y:3") == ["aiwriting.debug_task"]
    assert found("arg.y:2 arg.y:3") == ["aiwriting.debug_task", "documents.process_document"]
    assert found("arg.x:1 actor:process_document") == ["documents.process_document"]
    assert found("arg.x:12") == []


def test_a_value_inside_another_one_is_not_an_argument() -> None:
    rows.task(kwargs={"document_id": [7], "other": {"document_id": 7}})

    assert found("arg.document_id:7") == []
    assert found("args:7") == []


@pytest.mark.parametrize("text", ['{"x": "\\u0000"}', '{"x": "\\ud800"}', '{"x": 1e999}', "[" * 900 + "]" * 900])
def test_a_row_that_python_or_the_database_cannot_read_hides_no_other(text: str) -> None:
    odd = rows.task("odd")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks_taskstatus SET kwargs = %s WHERE id = %s", [text, odd.pk])
    rows.task("aiwriting.debug_task", kwargs={"x": 7})

    assert found("arg.x:7") == ["aiwriting.debug_task"]
    assert found("args:7") == ["aiwriting.debug_task"]


def test_long_arguments_are_not_searched() -> None:
    rows.task(kwargs={"x": 7, "text": "y" * arguments.MOST_CHARACTERS})

    assert found("arg.x:7") == []


def test_hidden_arguments_cannot_be_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    rows.task(kwargs={"token": "abc", "nested": {"password": "abc"}})
    rows.task("gone.actor", args=["abc"])
    rows.task("projects.generate_project_report", args=["abc"], kwargs={"note": "abc"})
    actor = dramatiq.get_broker().get_actor("projects.generate_project_report")
    [name, *_] = masking.parameters_of(actor).names
    monkeypatch.setitem(actor.options, "secret_args", (name, "note"))

    with pytest.raises(search.SearchError, match="'token' are hidden, so tasks cannot be found by them"):
        search.parse("arg.token:abc")
    for line in ("args:abc", "arg.note:abc", f"arg.{name}:abc"):
        assert found(line) == []


# --- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("stat:failed", "Unknown word 'stat', must be one of: state, actor, .*did you mean 'state'"),
        ("state:fialed", "Unknown state 'fialed', must be one of: waiting, .*did you mean 'failed'"),
        ("schedule:x", "Unknown schedule 'x', must be one of"),
        ("owner:nobody", "There is no user 'nobody'"),
        ("worker:nowhere", "There is no worker 'nowhere', must be its id, its host or host:pid"),
        ("worker:nowhere:99999999999999999999", "There is no worker"),
        ("about:document", "'document' is no object, must be like document/7"),
        ("about:document/x", "must be like document/7"),
        ("about:document/99999999999999999999", "must be like document/7"),
        ("about:dokument/7", "Unknown kind of object 'dokument', must be one of: alert, document, .*mean 'document'"),
        ("priority:high", "'high' is no priority, must be a whole number from -2147483648 to 2147483647"),
        ("priority:2147483648", "is no priority"),
        ("priority:٣", "is no priority"),
        ("sent:yesterday", "'yesterday' is no span of sent, must be like 30m, 3h"),
        ("sent:99999w", "no span"),
        ("sent:3x", "no span"),
        ("sent:..", "no span"),
        ("sent:2026-02-30", "no span"),
        ("sent:9999-12-31", "no span"),
        ("finished:0001-01-01..", None),
        ("finished:1h..2h", "ends before it begins"),
        ('error:"abc', "The quote in .* has no end"),
        ("x" * 1_001, "The search has 1,001 characters, at most 1,000 are allowed"),
        ("a " * 31, "The search has 31 words, at most 30 are allowed"),
        ("__class__:x", None),
        ("password__startswith:x", "Unknown word"),
        ("arg.:x", "Unknown word 'arg.'"),
        ("http://127.0.0.1:1/", None),
        ("ValueError: chapter 7", None),
        ("state:", "The word 'state' has no value"),
        ('error:""', "The word 'error' has no value"),
        ("queue: slow", "The word 'queue' has no value"),
        ("::", None),
        (":", None),
        ('"', "no end"),
        ('""', None),
        ("\x00", None),
        ("state:\x00", "Unknown state"),
        ("id:\ud800", None),
        ("%_\\'", None),
        ("", None),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_bad_word_or_value_is_named_with_the_valid_ones(line: str, message: str | None) -> None:
    if message is None:
        list(search.parse(line).rows(TaskStatus.objects.all()))
    else:
        with pytest.raises(search.SearchError, match=message):
            search.parse(line)


def test_a_long_value_is_cut_off_in_the_error() -> None:
    with pytest.raises(search.SearchError) as refused:
        search.parse("state:" + "x" * 900)
    assert len(str(refused.value)) < 400


# --- Lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a", "a b", 'say "hi"', "a\\", '\\"', "x:y", '"', "http://x", "a\nb", " "])
def test_a_line_is_read_as_it_was_written(value: str) -> None:
    for term in (search.Term("error", value), search.Term("", value)):
        parsed = search.parse(str(term))
        assert parsed.terms == (term,)
        assert str(parsed) == str(term)


def test_a_line_without_a_word_or_with_another_value() -> None:
    parsed = search.parse('state:failed  "two words" queue:slow')

    assert str(parsed) == 'state:failed "two words" queue:slow'
    assert parsed.without(parsed.terms[1]) == "state:failed queue:slow"
    assert parsed.replacing("state", "done") == 'state:done "two words" queue:slow'
    assert parsed.replacing("state") == '"two words" queue:slow'
    assert search.line(state="failed", error="a b") == 'state:failed error:"a b"'


def test_a_span_counts_from_the_time_of_the_search() -> None:
    rows.task("a", status="failed", finished_at=datetime(2026, 3, 1, 12, tzinfo=UTC))

    assert found("finished:1h", now=datetime(2026, 3, 1, 12, 59, tzinfo=UTC)) == ["a"]
    assert found("finished:1h", now=datetime(2026, 3, 1, 13, 1, tzinfo=UTC)) == []
    assert found("finished:2026-03-01") == ["a"]
    assert found("finished:2026-02-27..2026-02-28") == []
    assert found("finished:2026-02-27..2026-03-01") == ["a"]
    assert found("finished:2026-03-01T11:00..2026-03-01T13:00") == ["a"]


# --- Limits --------------------------------------------------------------------------------------


def test_what_has_no_index_is_looked_for_in_the_newest_rows() -> None:
    for number in range(5):
        rows.task(f"task-{number}", queue_name="slow", status="failed" if number % 2 else "pending")

    for line, names in (
        ("queue:slow", ["task-4", "task-3"]),
        ("task", ["task-4", "task-3"]),
        ("queue:slow state:failed", ["task-3", "task-1"]),
        ("state:failed", ["task-3", "task-1"]),
    ):
        tasks = search.parse(line).rows(TaskStatus.objects.order_by("-pk"), newest=2)
        assert list(tasks.values_list("task_name", flat=True)) == names, line
        assert search.parse(line).find(TaskStatus.objects.all(), newest=2).is_limited == (line != "state:failed")
    assert len(search.parse("queue:slow").rows(TaskStatus.objects.all(), newest=None)) == 5


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("", ""),
        ("state:failed", ""),
        ("state:running worker:00000000-0000-0000-0000-000000000001", ""),
        ("about:document/7 queue:slow", ""),
        ("cause:c", ""),
        ("queue:slow", "Searched: the newest 10,000 tasks."),
        ("some text", "Searched: the newest 10,000 tasks."),
        ("arg.x:7", "Searched: the newest 10,000 tasks."),
        ("state:failed queue:slow", "Searched: the newest 10,000 failed tasks."),
        ("state:failed finished:1h", "Searched: the newest 10,000 failed tasks."),
        ("state:done", "Searched: the 10,000 tasks that ended last."),
        ("state:done finished:1h", "Searched: the 10,000 tasks that ended last in this time."),
        ("state:retrying", "Searched: the 10,000 delayed tasks that are due first."),
        ("cause:c queue:x", "Searched: the newest 10,000 failures of this cause."),
    ],
)
def test_a_search_says_what_it_is_limited_to(line: str, limit: str) -> None:
    parsed = search.parse(line)

    assert parsed.limit == limit
    assert not parsed.find(TaskStatus.objects.all()).is_limited
    assert not parsed.is_limited(TaskStatus.objects.all())


def test_no_search_reads_more_than_its_limit_of_the_table(django_assert_max_num_queries: Any) -> None:
    rows.task(kwargs={"x": 1})
    for line in ("state:failed", "queue:slow", "text", "arg.x:1", "state:done finished:1h actor:x priority:3"):
        with CaptureQueriesContext(connection) as asked:
            list(search.parse(line).rows(TaskStatus.objects.order_by("-pk"))[:50])
        assert len(asked) <= 3, line
        assert not [one["sql"] for one in asked if "COUNT(" in one["sql"].upper()]


# --- Documentation -------------------------------------------------------------------------------


def test_the_documentation_has_every_word_and_state() -> None:
    table = (BASE_DIR / "docs" / "operations.md").read_text().partition("## Search for tasks")[2].partition("\n## ")[0]

    for word in (*search.WORDS, "version"):
        assert f"`{word}:" in table, word
    for state in search.STATES:
        assert state in table, state
