"""Find a Chromium and start it."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Chromium loads our pages alone, and runs without a graphics card.
ARGUMENTS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MISSING = (
    "There is no Chromium: set CHROMIUM to one, install the package `chromium` or Google Chrome, "
    "or run `python -m playwright install chromium`."
)


def find(playwright: Playwright) -> str | None:
    """Return the path of a Chromium: the one that CHROMIUM names, one on the PATH, or Playwright's own."""
    if named := os.environ.get("CHROMIUM"):
        assert shutil.which(named), f"CHROMIUM is {named!r}, which is no program"
        return named
    own = playwright.chromium.executable_path
    return next(filter(None, map(shutil.which, PROGRAMS)), own if Path(own).exists() else None)


def launch(playwright: Playwright) -> Browser:
    """Start a Chromium. Without one the test is skipped; if CI is true, it fails."""
    path = find(playwright)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    if path is None:
        pytest.skip(MISSING)
    # As root, Chromium runs without its sandbox or not at all.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
