"""`manage.py startactor`: a copy of the project gets an actor, its service and its test, and all of them pass."""

import os
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from aiWriting.environment import BASE_DIR
from workers import new_actor

#: The copy has no tests of the project, and so not its runner.
DJANGOS_RUNNER = "--testrunner=django.test.runner.DiscoverRunner"
FIRST_LINE = "The actors of orders. Each loads by id, calls one service and returns small JSON."


def told(*arguments: str) -> str:
    output = StringIO()
    call_command("startactor", *arguments, stdout=output)
    return output.getvalue()


class Copy:
    """The project's code in another folder, with the commands of a developer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("aiWriting", "apps", "workers"):
            shutil.copytree(BASE_DIR / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("manage.py", "pyproject.toml"):
            shutil.copy(BASE_DIR / name, folder)

    def run(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "of-the-copy",
            "AIWRITING_VAR": str(self.folder / "var"),
            "SILENCED_SYSTEM_CHECKS": "documents.W002",
        }
        ran = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy with three new actors: with a model, without one, and in an app that had no `tasks.py`."""
    made = Copy(tmp_path_factory.mktemp("copy"))
    (made.folder / "var").mkdir()
    output = made.run("manage.py", "startactor", "documents.translate_document")
    assert output.splitlines() == [
        "added to apps/documents/tasks.py",
        "made apps/documents/services/translate_document.py",
        "made apps/documents/test_translate_document.py",
        "Now fill in the service, and its test.",
    ]
    made.run("manage.py", "startactor", "projects.tidy_up")
    assert "made apps/pages/tasks.py\nmade apps/pages/services/__init__.py\n" in made.run(
        "manage.py", "startactor", "pages.refresh"
    )
    return made


# The commands of a developer are processes: seconds each, once for all that they judge.


def test_new_actors_pass_the_system_checks(copy: Copy) -> None:
    assert "identified no issues" in copy.run("manage.py", "check", "--fail-level", "WARNING")


def test_the_generated_tests_pass(copy: Copy) -> None:
    assert "Ran 6 tests" in copy.run(
        "manage.py", "test", DJANGOS_RUNNER, "apps.documents", "apps.projects", "apps.pages"
    )


def test_new_actors_pass_ruff_and_mypy(copy: Copy) -> None:
    files = [str(path) for path in copy.folder.glob("apps/*/test_*.py")]
    files += ["apps/documents/services/translate_document.py", "apps/pages/services/refresh.py"]
    files += [f"apps/{app}/tasks.py" for app in ("documents", "projects", "pages")]
    copy.run("-m", "ruff", "check", *files)
    copy.run("-m", "ruff", "format", "--check", *files)
    copy.run("-m", "mypy", *files)


# --- What it would do ------------------------------------------------------------------------------


def test_a_dry_run_shows_all_and_writes_nothing() -> None:
    before = (BASE_DIR / "apps/documents/tasks.py").read_bytes()
    output = told("documents.translate_document", "--dry-run")
    assert "apps/documents/tasks.py, at its end\n@dramatiq.actor(\n" in output
    assert 'related_to="documents.Document"' in output
    assert "tests/documents/test_translate_document.py" in output
    assert (BASE_DIR / "apps/documents/tasks.py").read_bytes() == before
    assert not (BASE_DIR / "apps/documents/services/translate_document.py").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("documents", "no name of an actor"),
        ("documents.", "no name of an actor"),
        (".read", "no name of an actor"),
        ("documents.Translate", "no name of an actor"),
        ("documents.a.b", "no name of an actor"),
        ("documents.two words", "no name of an actor"),
        ("documents.read\n", "no name of an actor"),
        ("documents.übersetzen", "no name of an actor"),
        ("documents._read", "no name of an actor"),
        ("documents." + "a" * 61, "at most 60 characters"),
        ("documents.class", "'class' is a word of Python"),
        ("documents.match", "'match' is a word of Python"),
        ("documents.print", "'print' is a word of Python"),
        ("document.read", "Unknown app 'document' (did you mean 'documents'?), must be one of: "),
        ("admin.read", "Unknown app 'admin'"),
        ("workers.read", "Unknown app 'workers'"),
        ("documents.process_document", "There is an actor documents.process_document already"),
        ("documents.logging", "apps.documents.tasks has a logging already"),
        ("documents.expiry", "apps/documents/services/expiry.py exists already"),
        ("documents.language", "tests/documents/test_language.py exists already"),
    ],
)
def test_a_wrong_name_is_refused_with_the_right_ones(name: str, sentence: str) -> None:
    with pytest.raises(CommandError) as refused:
        told(name)
    assert sentence in str(refused.value)
    assert refused.value.returncode == 2


def test_a_file_that_cannot_be_written_leaves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, service = tmp_path / "tasks.py", tmp_path / "service.py"
    tasks.write_text("before")
    (tmp_path / "file").touch()
    files = [
        new_actor.NewFile(path=tasks, before="before", after="after"),
        new_actor.NewFile(path=service, before=None, after="service"),
        new_actor.NewFile(path=tmp_path / "file" / "test.py", before=None, after="test"),
    ]
    monkeypatch.setattr(new_actor, "files", lambda name: files)
    with pytest.raises(CommandError, match="Nothing is written: "):
        told("documents.read")
    assert tasks.read_text() == "before"
    assert not service.exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            None,
            f'"""{FIRST_LINE}"""\n\nimport dramatiq',
        ),
        ("", "import dramatiq"),
        ('"""Tasks."""\n', '"""Tasks."""\n\nimport dramatiq'),
        ("from __future__ import annotations\n\nfrom a import b\n\nb()\n", None),
        (
            '"""Tasks."""\n\nfrom __future__ import annotations\n\nX = 1\n',
            '"""Tasks."""\n\nfrom __future__ import annotations\n\nimport dramatiq\n\nX = 1',
        ),
        ("import dramatiq\n\nX = 1\n\n\n\n", "import dramatiq\n\nX = 1"),
    ],
)
def test_the_actor_goes_to_the_end_of_a_file_that_imports_dramatiq(before: str | None, after: str | None) -> None:
    if after is None:
        after = "from __future__ import annotations\n\nimport dramatiq\nfrom a import b\n\nb()"
    assert new_actor.appended(before, "ACTOR\n", app="orders") == f"{after}\n\n\nACTOR\n"
