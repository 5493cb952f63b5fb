"""docs/terminal.md is true: its commands run, its tables are those of the code."""

import shlex

import pytest

from apps.tasks.commands import EXIT_CODES
from apps.tasks.models import TaskGroup
from tests import rows
from tests.docs.pages import DOCS, blocks
from tests.docs.pages import rows as table_rows
from tests.terminal import end
from workers.management.commands.tasks import ACTIONS

TERMINAL = DOCS / "terminal.md"
LINES = [shlex.split(line, comments=True)[3:] for block in blocks(TERMINAL, "sh") for line in block.splitlines()]


def test_every_action_is_told() -> None:
    told = [name.strip("` ") for names, _ in table_rows(TERMINAL, header="action") for name in names.split(",")]
    assert sorted(told) == sorted(ACTIONS)


def test_the_exit_codes_are_those_of_the_code() -> None:
    assert table_rows(TERMINAL, header="exit code") == [[str(code), text] for code, text in EXIT_CODES.items()]


@pytest.mark.django_db
@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_a_command_runs(words: list[str]) -> None:
    failed = rows.task(task_id="2ad60f39-affb-47ea-b73b-799f3ef986db", status="failed", error_message="no")
    rows.task(task_id="77b0c1d2-affb-47ea-b73b-799f3ef986db", status="completed")
    packing = TaskGroup.objects.create(key="5c1f", size=1, remaining=0)
    packing.members.create(task=failed, position=0, number=1, is_last=True)
    if len(words) > 2 and words[0] == "cancel":
        words = [*words, "--yes"]
    code, lines = end(*words)
    assert code in EXIT_CODES
    assert lines
