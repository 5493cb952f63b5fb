"""`manage.py tasks`, as a person and as a program uses it."""

import json
from io import StringIO
from typing import Any

from django.core.management import call_command


class Terminal(StringIO):
    """A stream that says that it is a terminal. `COLUMNS` has its width."""

    def isatty(self) -> bool:
        return True


def run(*arguments: str, out: StringIO | None = None) -> list[str]:
    """Run a subcommand. Return the lines that it wrote.

    Raises:
      SystemExit: It ended with another exit code than 0, without an error.
    """
    out = out or StringIO()
    call_command("tasks", *arguments, stdout=out)
    return out.getvalue().splitlines()


def end(*arguments: str, out: StringIO | None = None) -> tuple[int, list[str]]:
    """Run a subcommand. Return its exit code and the lines that it wrote."""
    out = out or StringIO()
    try:
        call_command("tasks", *arguments, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def objects(*arguments: str) -> list[dict[str, Any]]:
    """Run a subcommand with --json. Return the objects that it wrote, one a line."""
    return [json.loads(line) for line in run(*arguments, "--json")]
