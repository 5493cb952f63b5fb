"""The parts of a run that need no servers."""

import subprocess
import sys

import psutil
import pytest

from benchmarks.rig.workers import Workers

pytestmark = pytest.mark.once


class EndedWorkers(Workers):
    """Workers whose only process ends between the look for it and the signal."""

    def __init__(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", ""])
        self.ended = psutil.Process(child.pid)
        child.wait()

    def processes(self, word: str = "") -> list[psutil.Process]:
        return [self.ended]


def test_a_process_that_has_ended_is_not_signalled() -> None:
    EndedWorkers().thaw()
