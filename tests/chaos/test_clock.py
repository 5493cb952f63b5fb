"""Processes with a wall clock that is off."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos import clock

CODE = "import time; began = time.monotonic(); time.sleep(0.01); print(time.time(), time.monotonic() - began)"


@pytest.mark.skipif(clock.library() is None, reason="libfaketime is not installed")
def test_a_process_of_a_stepped_clock_can_sleep(tmp_path: Path) -> None:
    library = clock.library()
    assert library is not None
    stepped = clock.Clock(tmp_path / "clock", preload=library)
    stepped.step(3_600)
    program = tmp_path / "program.py"
    program.write_text(CODE)
    variables = json.loads(stepped.variables[clock.VARIABLE])

    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.clock", str(program)],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        check=True,
    )

    wall, slept = map(float, done.stdout.split())
    assert wall - time.time() == pytest.approx(3_600, abs=60)
    assert slept >= 0.01


@pytest.mark.skipif(clock.library() is None, reason="libfaketime is not installed")
def test_a_process_that_it_starts_can_sleep_too(tmp_path: Path) -> None:
    library = clock.library()
    assert library is not None
    stepped = clock.Clock(tmp_path / "clock", preload=library)
    variables = json.loads(stepped.variables[clock.VARIABLE])
    subprocess.run(
        [sys.executable, "-c", "from tests.chaos import clock; clock.take(); " + CODE],
        env=os.environ | variables,
        check=True,
    )
