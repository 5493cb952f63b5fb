"""The scripts' first steps: which Python is taken, and that .venv becomes what the requirements say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.once, pytest.mark.processes]


class Checkout:
    """A copy of the scripts with requirements of its own, no home, and a PATH on which there is no Python but ours."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "a checkout"
        self.path = directory / "path"
        self.home = directory / "home"
        (self.root / "bin").mkdir(parents=True)
        (self.root / "aiWriting").mkdir()
        (self.root / "aiWriting" / "standalone.py").write_text("import sys; print('started', *sys.argv[1:])\n")
        for name in ("_venv.sh", "_venv.py", "run"):
            shutil.copy(ROOT / "bin" / name, self.root / "bin")
        for name in ("requirements.txt", "requirements-dev.txt"):
            (self.root / name).touch()
        self.path.mkdir()
        (self.path / "dirname").symlink_to(shutil.which("dirname"))

    def add_python(self, name: str = "python3", *, patch: str = "") -> Path:
        """A Python that runs the patch before what it is told to run."""
        python = self.path / name
        if patch:
            body = f'exec "{sys.executable}" -c "{patch}; import sys; exec(sys.argv[1])" "$2"'
        else:
            body = f'exec "{sys.executable}" "$@"'
        python.write_text(f"#!/bin/sh\n{body}\n")
        python.chmod(0o755)
        return python

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", self.root / "bin" / "run", *arguments],
            cwd=self.path,
            env={"PATH": str(self.path), "HOME": str(self.home)} | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def refusal(self, **variables: str) -> str:
        """The one line of a start that must be refused."""
        done = self.run(**variables)
        assert done.returncode == 1
        assert done.stdout == ""
        [line] = done.stderr.splitlines()
        assert not (self.root / ".venv").exists()
        return line


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def aged(version: tuple[int, int, int]) -> str:
    return f"import sys; sys.version_info = {(*version, 'final', 0)}".replace('"', "'")


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 8, 18), (3, 10, 13)])
def test_an_old_python_is_refused_in_one_line(checkout: Checkout, version: tuple[int, int, int]) -> None:
    checkout.add_python(patch=aged(version))
    line = checkout.refusal()
    assert f"python3 is Python {'.'.join(map(str, version))}, too old: aiWriting needs 3.11 or newer" in line
    assert "PYTHON=/path/to/python" in line


def test_a_python_without_venv_is_refused_in_one_line(checkout: Checkout) -> None:
    checkout.add_python(patch="import sys; sys.modules['ensurepip'] = None")
    assert "without the venv module (Debian, Ubuntu: apt install python3-venv)" in checkout.refusal()


def test_no_python_at_all_is_told_in_one_line(checkout: Checkout) -> None:
    assert "python3 does not run: aiWriting needs Python 3.11 or newer" in checkout.refusal()


def test_the_python_that_is_named_is_taken_even_if_another_would_do(checkout: Checkout) -> None:
    checkout.add_python()
    old = checkout.add_python("python-old", patch=aged((3, 10, 13)))
    assert f"{old} is Python 3.10.13, too old" in checkout.refusal(PYTHON=str(old))


def test_it_installs_once_from_anywhere_and_without_a_home(checkout: Checkout) -> None:
    # A python3.13 that is on the PATH and does not run, as pyenv has them, is passed over.
    broken = checkout.path / "python3.13"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    checkout.add_python()
    first = checkout.run("one", "two words")
    assert (first.returncode, first.stderr) == (0, "")
    assert "Installing requirements.txt into .venv" in first.stdout
    assert first.stdout.splitlines()[-1] == "started one two words"
    second = checkout.run()
    assert (second.stdout, second.stderr) == ("started\n", "")

    # Other requirements are installed into the same .venv.
    marker = checkout.root / ".venv" / "marker"
    marker.touch()
    (checkout.root / "requirements.txt").write_text("# changed\n")
    assert "Installing" in checkout.run().stdout
    assert marker.exists()
    assert checkout.run().stdout == "started\n"

    # What an interrupted installation left is made anew.
    (checkout.root / ".venv" / ".installed-for-run").unlink()
    shutil.rmtree(next((checkout.root / ".venv" / "lib").glob("python*")) / "site-packages" / "pip")
    repaired = checkout.run()
    assert (repaired.returncode, repaired.stderr) == (0, "")
    assert "Making .venv" in repaired.stdout
    assert not marker.exists()

    # A failure shows what pip said, and the next start tries again.
    (checkout.root / "requirements.txt").write_text("./no-such.whl\n")
    failed = checkout.run()
    assert failed.returncode == 1
    assert "no-such.whl" in failed.stderr
    assert "pip install" in failed.stderr.splitlines()[-1]
    assert "started" not in failed.stdout
    (checkout.root / "requirements.txt").write_text("")
    assert checkout.run().stdout.endswith("started\n")
    assert not checkout.home.exists()
