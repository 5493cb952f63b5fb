"""A stock Django project with the three folders of the task system and the files of docs/adopting.md, and no more."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from markdown_it import MarkdownIt
from packaging.requirements import Requirement
from psycopg.pq import Conninfo

from tests.commands import RunningCommand
from workers.supervision.watchdog import Watchdog

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "adopting.md"
DRIVER = Path(__file__).parent / "driver.py"

FOLDERS = ("apps/core", "apps/tasks", "workers")
DATABASE_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def blocks(language: str = "") -> list[str]:
    """Return the code blocks of docs/adopting.md in one language."""
    tokens = MarkdownIt().parse(PAGE.read_text())
    return [token.content for token in tokens if token.type == "fence" and token.info.strip() == language]


def files(*, variants: set[str]) -> dict[str, str]:
    """Return the text of each file of the page. Blocks of one file go one after the other.

    Parameters:
      variants: Which of the blocks are wanted whose first line is such as `# shop/settings.py, on SQLite`.
    """
    found: dict[str, str] = {}
    for block in blocks("python"):
        if variant_of(block) in {"", *variants}:
            first, _, text = block.partition("\n")
            path = first.removeprefix("# ").partition(",")[0]
            found[path] = found.get(path, "") + text + "\n"
    return found


def variant_of(block: str) -> str:
    """Return which projects have the block, by its first line. Nothing: all."""
    return block.partition("\n")[0].partition(", ")[2]


def commands() -> list[list[str]]:
    """Return the arguments of `manage.py` in the commands of the page."""
    lines = [line.partition("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    return [line[2:] for line in lines if line[:2] == ["python", "manage.py"]]


def requirements(*, database: str) -> list[str]:
    """Return the packages that the page says to install."""
    (listed,) = [block for block in blocks() if block.startswith("# requirements.txt")]
    extra = re.findall(r"On PostgreSQL add `([^`]+)`", PAGE.read_text()) if database == "postgresql" else []
    return [*listed.splitlines()[1:], *extra]


class ForeignProject:
    """The project in a directory of its own, with its database and its processes.

    Parameters:
      variants: Optional parts of the page that it has.
      database: `sqlite`, or `postgresql`.
      database_url: Any database of the PostgreSQL server. The project makes one of its own.
      only_listed: Install the packages that the page lists and no others. False: all of this session are there.
      changes: Texts in the settings that `startproject` makes, and what stands there instead.
    """

    def __init__(
        self,
        directory: Path,
        *,
        variants: set[str],
        database: str,
        database_url: str,
        redis_url: str,
        only_listed: bool,
        changes: dict[str, str],
    ) -> None:
        self.directory = directory / "project"
        self.directory.mkdir()
        self.database_url = database_url if database == "postgresql" else ""
        self.database_name = f"foreign_{os.getpid()}"
        self.env = {
            "PATH": os.defpath,
            "HOME": str(directory),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "REDIS_URL": redis_url,
        }
        if self.database_url:
            for option in Conninfo.parse(self.database_url.encode()):
                if option.envvar and option.val:
                    self.env[option.envvar.decode()] = option.val.decode()
            self.env["PGDATABASE"] = self.database_name
        self.python = Path(sys.executable)
        if only_listed:
            self.python = environment_with(requirements(database=database), directory / "venv")
        call_command("startproject", "shop", str(self.directory))
        for folder in FOLDERS:
            shutil.copytree(ROOT / folder, self.directory / folder)
        for path, text in files(variants={*variants, f"on {DATABASE_NAMES[database]}"}).items():
            target = self.directory / path
            target.parent.mkdir(exist_ok=True)
            (target.parent / "__init__.py").touch()
            with target.open("a") as file:
                file.write(text)
        shutil.copy(DRIVER, self.directory)
        settings = self.directory / "shop" / "settings.py"
        for old, new in changes.items():
            text = settings.read_text()
            assert old in text
            settings.write_text(text.replace(old, new))

    # --- Database ---

    def make_database(self) -> None:
        if self.database_url:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {self.database_name}")

    def drop_database(self) -> None:
        if self.database_url:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {self.database_name} WITH (FORCE)")

    # --- Processes ---

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """Run Python in the project and return its output.

        Parameters:
          code: Wanted exit code.
        """
        done = subprocess.run(
            [self.python, *arguments], cwd=self.directory, env=self.env, capture_output=True, text=True, timeout=120
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{output}"
        return output

    def manage(self, *arguments: str, code: int | None = 0) -> str:
        return self.run("manage.py", *arguments, code=code)

    def start(self, *arguments: str, watchdog: Watchdog) -> RunningCommand:
        """Start a command of `manage.py` that runs until it is stopped."""
        return RunningCommand(
            str(self.python),
            "manage.py",
            *arguments,
            env=self.env,
            log=self.directory / f"{arguments[0]}.log",
            watchdog=watchdog,
            cwd=self.directory,
        )

    def drive(self, *modules: str) -> dict[str, Any]:
        """Send tasks and look at the pages. Return the findings.

        Parameters:
          modules: Which of these can be imported?
        """
        found: dict[str, Any] = json.loads(self.run("driver.py", *modules))
        return found


def environment_with(wanted: list[str], directory: Path) -> Path:
    """Make a virtual environment that has the packages, those that they need, and no others. Return its Python.

    Their files are links to those of this session.
    """
    builder = venv.EnvBuilder(symlinks=True)
    builder.create(directory)
    (site,) = directory.glob("lib/python*/site-packages")
    for name in closure(wanted):
        installed = distribution(name)
        for part in {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}:
            if not (site / part).exists():
                (site / part).symlink_to(Path(str(installed.locate_file(part))))
    return directory / "bin" / "python"


def closure(wanted: list[str]) -> set[str]:
    """Return the names of the packages and of all that they need."""
    found: set[str] = set()
    pending = [Requirement(text) for text in wanted]
    seen = set()
    while pending:
        requirement = pending.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        found.add(requirement.name)
        pending += _needed_by(requirement)
    return found


def _needed_by(requirement: Requirement) -> Iterator[Requirement]:
    for text in distribution(requirement.name).requires or ():
        needed = Requirement(text)
        extras = requirement.extras or {""}
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
            yield needed
