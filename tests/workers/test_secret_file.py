"""Files with a secret."""

import stat
from pathlib import Path

from workers.embedded import secret_file


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    made = iter(["first", "second"])
    assert secret_file.read_or_make(tmp_path / "key", make=lambda: next(made)) == "first"
    assert secret_file.read_or_make(tmp_path / "key", make=lambda: next(made)) == "first"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_an_empty_file_gets_a_new_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    assert secret_file.read_or_make(tmp_path / "key", make=lambda: "made") == "made"


def test_a_world_readable_file_is_private_once_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o644)
    secret_file.write(tmp_path / "key", "new")
    assert (tmp_path / "key").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
