"""The admin's pages in a project without Unfold, Django REST framework and django-dramatiq."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.once
def test_the_pages_work_without_the_optional_packages() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    found = subprocess.run(
        [sys.executable, "-m", "tests.tasks.plain_admin"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (found.stdout.splitlines()[-1:], found.returncode) == (["visited"], 0), found.stderr[-5_000:]
