"""Form of the log lines."""

import logging
import os
import re
import subprocess
import sys
from logging import config
from typing import Any

import pytest
from django.conf import settings

from aiWriting.environment import BASE_DIR


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


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x85", "\u2028"])
def test_no_value_begins_a_line_or_steers_a_terminal(character: str) -> None:
    found = line("refused name=%s", f"x{character}2026-01-01 forged")

    assert character not in found
    assert len(found.splitlines()) == 1
    assert "2026-01-01 forged" in found


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
