"""The example over HTTP of the README, as it stands there, after `bin/run`."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aiWriting.environment import BASE_DIR
from tests.commands import RunningCommand
from tests.docs.pages import README, blocks
from tests.standalone.conftest import own_environment

pytestmark = [pytest.mark.once, pytest.mark.processes]


def test_the_example_over_http_works_beside_the_sample(
    standalone: Callable[..., RunningCommand], port: int, var: Path, tmp_path: Path
) -> None:
    standalone().wait_for("Password")
    (example,) = (block for block in blocks(README, "sh") if "createtoken" in block)
    # A short text, since a novel takes long on a busy machine.
    (tmp_path / "novel.txt").write_text("Chapter 1\n\nIt was a dark night.\n")
    example = example.replace("localhost:8000", f"localhost:{port}")
    example = example.replace("apps/documents/samples/pride-and-prejudice.txt", "novel.txt")
    example = example.replace(".venv/bin/python manage.py", f"{BASE_DIR}/.venv/bin/python {BASE_DIR}/manage.py")

    ran = subprocess.run(
        ["/bin/sh", "-eu"],
        input="mkdir out; " + example.replace("api -OJ", "cd out; api -OJ"),
        env=own_environment(AIWRITING_VAR=str(var), PATH=os.environ["PATH"]),
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert '"status":"completed","progress":100' in ran.stdout
    assert '"count":1' in ran.stdout
    assert (tmp_path / "out" / "novel.txt").read_bytes() == (tmp_path / "novel.txt").read_bytes()
