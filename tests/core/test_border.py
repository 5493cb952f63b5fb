"""`apps.core` stands alone: any project can install it, also one without Django REST framework."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from aiWriting.environment import BASE_DIR

CORE = BASE_DIR / "apps" / "core"
FILES = sorted(path for path in CORE.rglob("*.py"))
OURS = ("apps", "workers", "aiWriting", "tests", "benchmarks")

#: Imports every module but those of the API, in a process that has no REST framework and another user model.
PROGRAM = """
import sys
sys.modules["rest_framework"] = None

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "apps.core"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()

from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("check")
print(sorted(name for name in sys.modules if name.startswith("apps.")))
"""


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_a_module_imports_nothing_of_ours_outside_core(path: Path) -> None:
    ours = {name for name in imported_modules(path) if name.split(".")[0] in OURS}
    assert all(name == "apps.core" or name.startswith("apps.core.") for name in ours)


def test_core_is_installed_and_migrated_without_rest_framework_and_without_our_user_model() -> None:
    names = [
        ".".join(path.relative_to(BASE_DIR).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if "api" not in path.relative_to(CORE).parts
    ]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names], capture_output=True, text=True, cwd=BASE_DIR, check=False
    )
    assert run.returncode == 0, run.stderr
    assert all(name.startswith("apps.core") for name in ast.literal_eval(run.stdout.strip().splitlines()[-1]))
