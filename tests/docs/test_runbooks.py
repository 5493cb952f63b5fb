"""The commands of the runbooks exist, with their options, and their statements run."""

import re
import shlex
from collections.abc import Iterator

import pytest
from django.core.management import get_commands, load_command_class
from django.db import connection

from tests.docs.pages import DOCS, blocks, code_words

RUNBOOKS = DOCS / "runbooks.md"
#: Programs of PostgreSQL, Redis and every system.
OTHERS = {"curl", "psql", "redis-cli"}
PLACEHOLDERS = {"TASK_ID": "3f0c1d1e-0000-4000-8000-000000000000", "SCHEDULE": "projects.send_weekly_report"}


def commands() -> Iterator[list[str]]:
    """Yield the command lines of the page as words. A quoted argument may have several lines."""
    for block in [*blocks(RUNBOOKS, "sh"), *blocks(DOCS / "deploying.md", "sh"), *blocks(DOCS / "upgrading.md", "sh")]:
        line = ""
        for part in block.splitlines():
            line += part + "\n"
            try:
                words = shlex.split(line, comments=True)
            except ValueError:  # The quotation goes on.
                continue
            if words:
                yield [PLACEHOLDERS.get(word, word) for word in words]
            line = ""
        assert not line.strip(), line


def of_manage() -> list[list[str]]:
    return [words[2:] for words in commands() if words[:2] == ["python", "manage.py"]]


def test_there_are_thirteen_incidents_each_with_a_command() -> None:
    incidents = re.split(r"^## ", RUNBOOKS.read_text(), flags=re.MULTILINE)[1:]
    assert len(incidents) == 13
    assert [incident.partition("\n")[0] for incident in incidents if "```sh" not in incident] == []


def test_the_programs_are_those_of_a_server() -> None:
    others = {words[0] for words in commands() if words[:2] != ["python", "manage.py"]}
    assert others <= OTHERS | {"pg_dump", "pg_restore", "createdb"}


@pytest.mark.parametrize("words", of_manage(), ids=lambda words: " ".join(words)[:40])
def test_a_command_of_the_project_exists_with_these_options(words: list[str]) -> None:
    name, *options = words
    command = load_command_class(get_commands()[name], name)
    # It ends the test if it does not know an option.
    command.create_parser("manage.py", name).parse_args(options)


@pytest.mark.django_db
@pytest.mark.parametrize("words", [words for words in of_manage() if words[0] == "shell"], ids=lambda words: words[0])
def test_a_snippet_runs(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(words[words.index("-c") + 1], {})
    assert capsys.readouterr().out == "0\n"


def statements() -> list[str]:
    return [words[words.index("-c") + 1] for words in commands() if words[0] == "psql"]


@pytest.mark.django_db
@pytest.mark.parametrize("statement", statements())
def test_a_statement_runs(statement: str) -> None:
    if "pg_" in statement and connection.vendor == "sqlite":
        return  # The session on PostgreSQL runs it.
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_words_of_health_are_those_that_it_says() -> None:
    known = {"database", "redis", "workers", "relay", "scheduler", "stalled"}
    for words in re.findall(r'"degraded": \[([^\]]*)\]', RUNBOOKS.read_text()):
        assert {word.partition(":")[0] for word in re.findall(r'"([^"]+)"', words)} <= known | {"queue"}
    assert code_words(RUNBOOKS)
