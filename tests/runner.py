"""`manage.py test`: runs pytest, which makes the servers that the tests need."""

import subprocess
import sys
from typing import Any


class PytestRunner:
    """Passes labels, which are pytest's paths, and `--failfast` on to pytest. Other options of Django's are ignored."""

    def __init__(self, *, failfast: bool = False, **options: Any) -> None:
        self.failfast = failfast

    def run_tests(self, test_labels: list[str], **kwargs: Any) -> int:
        """Run the tests and return pytest's exit code."""
        options = ["-x"] if self.failfast else []
        return subprocess.run([sys.executable, "-m", "pytest", *options, *test_labels]).returncode
