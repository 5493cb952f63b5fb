"""The documentation names every fault of the storm."""

import re

from aiWriting.environment import BASE_DIR
from tests.chaos import faults


def test_every_fault_is_documented() -> None:
    section = (BASE_DIR / "docs" / "storms.md").read_text().split("## Faults")[1].split("\n## ")[0]
    assert tuple(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == faults.NAMES
