"""Worker processes do without the admin's modules. Pages and checks load them."""

import subprocess
import sys

import pytest

LOADED = "; import sys; print(sorted({'apps.tasks.admin', 'apps.documents.admin'} & set(sys.modules)))"
SETUP = "import django; django.setup()"


@pytest.mark.once
@pytest.mark.processes
@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        (SETUP, "[]"),
        (
            f"{SETUP}; from django.urls import get_resolver; get_resolver().url_patterns",
            "['apps.documents.admin', 'apps.tasks.admin']",
        ),
        (
            f"{SETUP}; from django.core.checks import run_checks; run_checks(tags=['admin'])",
            "['apps.documents.admin', 'apps.tasks.admin']",
        ),
        ("import aiWriting.asgi", "['apps.documents.admin', 'apps.tasks.admin']"),
    ],
    ids=["a worker", "the addresses", "the checks", "a web process"],
)
def test_admin_modules_are_loaded_where_they_are_needed(code: str, loaded: str) -> None:
    done = subprocess.run([sys.executable, "-c", code + LOADED], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == f"{loaded}\n"
