"""Values of the environment that are in files."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from aiWriting import environment
from aiWriting.environment import BASE_DIR

pytestmark = pytest.mark.once


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "secret"
    monkeypatch.delenv("SOME", raising=False)
    monkeypatch.setenv("SOME_FILE", str(found))
    return found


def test_a_file_has_the_value_of_a_variable(path: Path) -> None:
    path.write_text("hush\n")
    assert environment.text("SOME", "default") == "hush"
    path.write_text("7\n")
    assert environment.integer("SOME", 1) == 7


def test_an_empty_file_is_a_missing_variable(path: Path) -> None:
    path.write_text("\n")
    assert environment.text("SOME", "default") == "default"


def test_a_variable_and_its_file_are_not_both_set(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("hush")
    monkeypatch.setenv("SOME", "hush")
    with pytest.raises(ImproperlyConfigured, match=r"^SOME and SOME_FILE are both set, must be one of the two$"):
        environment.text("SOME")


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory"), (b"hush\xff", "it is no text")])
def test_a_file_that_cannot_be_read_is_named_and_not_shown(path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImproperlyConfigured) as caught:
        environment.text("SOME")
    assert str(caught.value) == f"SOME_FILE is '{path}', and cannot be read: {reason}"


def test_the_settings_read_secrets_from_files(tmp_path: Path) -> None:
    values = {
        "SECRET_KEY": "the-key", "REDIS_URL": "redis://:hush@redis:1/0",
        "DATABASE_URL": "postgresql://me:hush@db/aiwriting", "METRICS_TOKEN": "the-token",
        "SECRET_KEY_FALLBACKS": "an-old-key,an-older-key",
    }  # fmt: skip
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    program = (
        "from aiWriting import settings as s; "
        "print(s.SECRET_KEY, s.REDIS_URL, s.DATABASES['default']['PASSWORD'], s.METRICS_TOKEN, *s.SECRET_KEY_FALLBACKS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=BASE_DIR, capture_output=True, text=True, check=True,
        env={"PATH": "", **{f"{name}_FILE": str(tmp_path / name) for name in values}},
    )  # fmt: skip
    assert done.stdout.split() == [
        "the-key",
        "redis://:hush@redis:1/0",
        "hush",
        "the-token",
        "an-old-key",
        "an-older-key",
    ]
