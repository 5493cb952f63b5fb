"""Form of the log lines."""

import json
import logging
import os
import re
import subprocess
import sys
from logging import config
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from aiWriting import log_filters, log_format
from aiWriting.environment import BASE_DIR
from aiWriting.log_format import JSONFormatter, LineFormatter, TerminalFormatter


def line(message: str, *values: Any) -> str:
    """Return a line as the settings form it, at 1 second past midnight on 1 January 1970."""
    logs: Any = settings.LOGGING
    name = logs["handlers"]["stderr"]["formatter"]
    formatter = config.DictConfigurator(logs).configure_formatter(logs["formatters"][name])
    record = logging.LogRecord("apps.some", logging.WARNING, "path", 1, message, values, None)
    record.created, record.msecs = 1.5, 500.0
    return str(formatter.format(record))


def test_a_line_has_its_time_in_utc() -> None:
    assert line("done id=%s", 7) == "1970-01-01T00:00:01.500+00:00 WARNING apps.some done id=7"


@pytest.mark.parametrize("character", ["\n", "\r", "\x00", "\x1b", "\x85", "\u2028", "\u202e", "\u2066"])
def test_no_value_begins_a_line_or_steers_a_terminal(character: str) -> None:
    found = line("refused name=%s", f"x{character}2026-01-01 forged")

    assert character not in found
    assert len(found.splitlines()) == 1
    assert "2026-01-01 forged" in found


@pytest.mark.parametrize("formatter", [LineFormatter(), TerminalFormatter(coloured=False)], ids=["text", "terminal"])
def test_no_traceback_steers_a_terminal_or_begins_a_record(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("red \x1b[31m\x00\u202e\rover\n2026-01-01T00:00:00.000+00:00 INFO forged")
    except ValueError:
        made = logging.LogRecord("apps.some", logging.ERROR, "path", 1, "no", (), sys.exc_info())
    found = formatter.format(made)
    assert r"ValueError: red \x1b[31m\x00\u202e\rover" in found
    _, *following, last = found.splitlines()
    assert last == "  2026-01-01T00:00:00.000+00:00 INFO forged"
    assert all(line.startswith("  ") for line in following)
    assert made.exc_text is None, "other handlers write the traceback in their own form"


@pytest.mark.parametrize("formatter", [LineFormatter(), TerminalFormatter(coloured=False)], ids=["text", "terminal"])
@pytest.mark.parametrize("part", ["exc_text", "stack_info"])
def test_what_others_have_written_into_a_record_begins_no_record(formatter: logging.Formatter, part: str) -> None:
    made = logging.LogRecord("apps.some", logging.ERROR, "path", 1, "no", (), None)
    setattr(made, part, "first\nforged \x1b[31m")
    assert formatter.format(made).splitlines()[1:] == ["  first", r"  forged \x1b[31m"]
    if part == "exc_text":
        try:
            raise ValueError("a\nforged")
        except ValueError:
            made.exc_info = sys.exc_info()
        assert [line for line in formatter.format(made).splitlines() if line.endswith("forged")] == ["  forged"]


PROGRAM = """
import logging, uvicorn, django
uvicorn.Config("aiWriting.asgi:application")
django.setup()
logging.getLogger("uvicorn.access").info("GET /")
logging.getLogger("uvicorn.error").info("started")
"""


def test_lines_of_the_web_server_have_the_same_form() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "aiWriting.settings"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=BASE_DIR, env=environment, check=True, capture_output=True, text=True
    )

    assert done.stdout == ""
    assert re.fullmatch(r"\S+\+00:00 INFO uvicorn.access GET /\n\S+\+00:00 INFO uvicorn.error started\n", done.stderr)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/sign-in/new-password/MQ/d5f9ab-0123456789abcdef0123456789abcdef/", "/sign-in/new-password/MQ/<token>/"),
        ("/sign-in/new-password/MQ/d5f9ab-0123456789abcdef0123456789abcdef", "/sign-in/new-password/MQ/<token>"),
        ("/invitations/0123456789abcdef0123456789abcdef/?next=1", "/invitations/<token>/?next=1"),
        ("/tasks/4bb1a1ca-0000-4000-8000-000000000000/", "/tasks/4bb1a1ca-0000-4000-8000-000000000000/"),
        ("/no-page-of-ours-has-this-path/", "/no-page-of-ours-has-this-path/"),
    ],
)
@pytest.mark.parametrize("logger", ["uvicorn.access", "django.request"])
def test_a_line_about_a_request_hides_the_secret_of_a_link(path: str, shown: str, logger: str) -> None:
    record = logging.LogRecord(logger, logging.INFO, "path", 1, "%s: %s", ("GET", path), None)

    assert log_filters.hide_secrets_of_addresses(record)
    assert record.getMessage() == f"GET: {shown}"


def test_the_command_line_of_the_web_server_tells_how_much_it_logs() -> None:
    quiet = PROGRAM.replace('application")', 'application", log_level="warning")')
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "aiWriting.settings"}
    done = subprocess.run(
        [sys.executable, "-c", quiet], cwd=BASE_DIR, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""


TASK: dict[str, Any] = {
    "task_id": "2ad60f39-1",
    "actor": "documents.process_document",
    "attempt": 3,
    "request_id": "edge-7",
}
NONE: dict[str, Any] = dict.fromkeys(TASK)
FAILURE: dict[str, Any] = {
    **TASK,
    "outcome": "fail",
    "ms": 12,
    "error": "KeyError: 'isbn'",
    "traceback": "Traceback:\n  line 1",
}


def record(message: str = "done id=%s", *values: Any, level: int = logging.INFO, **attributes: Any) -> Any:
    made = logging.LogRecord("apps.some", level, "path", 1, message, values or (7,), None)
    made.created, made.msecs = 1.5, 500.0
    vars(made).update(attributes)
    return made


def test_a_line_tells_its_task_and_its_request() -> None:
    told = LineFormatter("%(message)s")
    assert told.format(record(**NONE)) == "done id=7"
    assert told.format(record(**NONE | {"request_id": "edge-7"})) == "done id=7 request_id=edge-7"
    assert told.format(record(**TASK)) == (
        "done id=7 task_id=2ad60f39-1 actor=documents.process_document attempt=3 request_id=edge-7"
    )


def test_a_json_line_is_one_object_with_all_that_the_record_has() -> None:
    line = JSONFormatter().format(record("done\nname=%s", "\ud800\u2028", **TASK, size=[1, 2], request=object()))
    assert line.isascii()
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("pid") == os.getpid()
    assert found.pop("thread") == "MainThread"
    assert found == {
        "time": "1970-01-01T00:00:01.500+00:00", "level": "INFO", "logger": "apps.some",
        "message": "done\nname=\ud800\u2028", **TASK, "size": [1, 2],
    }  # fmt: skip


def test_a_json_line_of_a_failure_has_the_traceback_by_itself() -> None:
    text = "task finished\n%s"
    found = json.loads(JSONFormatter().format(record(text, FAILURE["traceback"], **FAILURE)))
    assert found["message"] == "task finished"
    assert found["traceback"] == FAILURE["traceback"]
    assert found["error"] == "KeyError: 'isbn'"
    try:
        raise ValueError("no")
    except ValueError:
        raised = record(exc_info=sys.exc_info())
    assert json.loads(JSONFormatter().format(raised))["traceback"].endswith("\nValueError: no")


class Odd:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("value", [Odd(), float("nan"), float("inf"), {1: Odd()}, {("a",): 1}, {1, 2}, b"x"])
def test_a_value_that_json_does_not_know_becomes_text(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    found = json.loads(JSONFormatter().format(record(odd=value)), parse_constant=refuse)
    assert isinstance(found["odd"], str | dict)


def shown(made: logging.LogRecord, *, coloured: bool = False) -> str:
    """Return a line of a terminal without its time, which is local."""
    line = TerminalFormatter(coloured=coloured).format(made)
    assert re.match(r"(\x1b\[2m)?\d\d:\d\d:\d\d", line)
    return line.partition(" ")[2]


@pytest.mark.parametrize(
    ("outcome", "ms", "line"),
    [
        ("complete", 3_800, "ok        documents.process_document 3.8 s 2ad60f39"),
        ("complete", 0, "ok        documents.process_document 0 ms 2ad60f39"),
        ("snooze", 65_000, "snoozed   documents.process_document 1 min 5 s 2ad60f39"),
        ("cancel claimed", 11_520_000, "cancelled documents.process_document 3 h 12 min 2ad60f39"),
    ],
)
def test_a_terminal_shows_the_end_of_a_task_in_few_words(outcome: str, ms: int, line: str) -> None:
    assert shown(record(**TASK, outcome=outcome, ms=ms)) == line


def test_a_terminal_shows_a_failure_in_red_with_class_and_sentence() -> None:
    made = record("task finished\n%s", FAILURE["traceback"], level=logging.ERROR, **FAILURE)
    line = "failed    documents.process_document 12 ms 2ad60f39 KeyError: 'isbn'"
    assert shown(made) == line
    assert shown(made, coloured=True) == f"\x1b[31m{line}\x1b[0m"


def test_a_terminal_shows_other_lines_with_level_and_name() -> None:
    assert shown(record("a\x1b%s", "b", level=logging.WARNING, **NONE)) == "warning   apps.some a\\x1bb"
    assert shown(record(**TASK)) == "info      apps.some done id=7 2ad60f39"


@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals(variables: dict[str, str], is_coloured: bool, monkeypatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", None)
    assert log_format.is_coloured() is is_coloured
    assert log_format.default() == "text"


def test_every_format_is_one_of_the_settings() -> None:
    assert set(log_format.FORMATTERS) == {"text", "json", "terminal"}
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT is 'xml', must be one of: text, json, terminal"):
        settings_of(LOG_FORMAT="xml")
    assert json.loads(settings_of(LOG_FORMAT="json"))["message"] == "a line"
    assert settings_of(LOG_FORMAT="").endswith(" WARNING apps.some a line")


def settings_of(**variables: str) -> str:
    """Return a line of a process with these variables. Raise the error of its settings."""
    program = "import django, logging; django.setup(); logging.getLogger('apps.some').warning('a line')"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "aiWriting.settings", **variables}
    done = subprocess.run([sys.executable, "-c", program], cwd=BASE_DIR, env=env, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    if done.returncode:
        raise ImproperlyConfigured(last)
    return last
