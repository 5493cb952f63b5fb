"""Where there is a Chromium, and how it is started."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: It asks nobody for anything but our pages, and runs where there is no graphics card.
ARGUMENTS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MISSING = (
    "There is no Chromium: set CHROMIUM to one, install the package `chromium` or Google Chrome, "
    "or run `python -m playwright install chromium`."
)


def find(playwright: Playwright) -> str | None:
    """The path of a Chromium: what CHROMIUM names, one on the PATH, or Playwright's own where it was installed."""
    if named := os.environ.get("CHROMIUM"):
        assert shutil.which(named), f"CHROMIUM is {named!r}, which is no program"
        return named
    own = playwright.chromium.executable_path
    return next(filter(None, map(shutil.which, PROGRAMS)), own if Path(own).exists() else None)


def launch(playwright: Playwright) -> Browser:
    """A Chromium. Without one the test is skipped, and fails where CI is true."""
    path = find(playwright)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    if path is None:
        pytest.skip(MISSING)
    # As root, Chromium runs without its sandbox or not at all.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
