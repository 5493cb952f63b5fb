"""Version of the code that this process runs."""

import os
import re
from functools import cache
from pathlib import Path

from django.conf import settings

from apps.tasks.conf import conf

#: Environment variables in which platforms name the commit, the image or the revision of a deploy.
VARIABLES = (
    "HEROKU_SLUG_COMMIT", "RENDER_GIT_COMMIT", "RAILWAY_GIT_COMMIT_SHA", "GIT_REV", "SOURCE_COMMIT", "FLY_IMAGE_REF",
    "K_REVISION",
)  # fmt: skip
#: Length in characters of a version, and of a commit as it is shown.
LENGTH, COMMIT_LENGTH = 64, 12
COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def of_this_code() -> str:
    """Return the version of the code: `CODE_VERSION`, else what the platform says, else the commit of a git checkout.

    Empty: none of them is there.
    """
    named = (conf.CODE_VERSION, *(os.environ.get(name, "") for name in VARIABLES))
    found = next((text for text in map(_cleaned, named) if text), "")
    return found or of_checkout(Path(getattr(settings, "BASE_DIR", Path.cwd())))


@cache
def of_checkout(folder: Path) -> str:
    """Return the commit that is checked out in a folder or one above it, as it was when first asked. Empty: none is."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists():
            try:
                return _cleaned(_head(place / ".git"))
            except (OSError, UnicodeDecodeError):
                return ""
    return ""


def _head(git: Path) -> str:
    """Return the commit of git's `HEAD`, read from its files: there may be no git program."""
    if git.is_file():  # A worktree: the file names its folder.
        git = git.parent / git.read_text().removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    name = head.removeprefix("ref:").strip()
    common = git / "commondir"
    shared = git / common.read_text().strip() if common.exists() else git
    for ref in (git / name, shared / name):
        if ref.is_file():
            return ref.read_text().strip()
    packed = (shared / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")


def _cleaned(text: str) -> str:
    """Return a version on one line, shortened if it is a commit."""
    text = "".join(filter(str.isprintable, str(text))).strip()
    return text[:COMMIT_LENGTH] if COMMIT.fullmatch(text) else text[-LENGTH:]
