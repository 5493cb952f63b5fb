"""bin/run and bin/test: the choice of a Python, the installation into .venv, and the jobs of bin/test."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.once, pytest.mark.processes]


class Checkout:
    """A copy of the scripts with requirements of its own, no home, and a PATH without any Python but ours."""

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
        dirname = shutil.which("dirname")
        assert dirname is not None
        (self.path / "dirname").symlink_to(dirname)

    def add_python(self, name: str = "python3", *, patch: str = "") -> Path:
        """Add a Python that runs the patch before anything else."""
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
        """Return the one line of a start that must be refused."""
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


def test_a_machine_without_python_is_refused_in_one_line(checkout: Checkout) -> None:
    assert "python3 does not run: aiWriting needs Python 3.11 or newer" in checkout.refusal()


def test_python_from_the_environment_is_used_though_another_would_do(checkout: Checkout) -> None:
    checkout.add_python()
    old = checkout.add_python("python-old", patch=aged((3, 10, 13)))
    assert f"{old} is Python 3.10.13, too old" in checkout.refusal(PYTHON=str(old))


def test_bin_run_installs_once_from_any_folder_and_without_a_home(checkout: Checkout) -> None:
    # A python3.13 on the PATH that does not run, as pyenv has them, is skipped.
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

    # An interrupted installation is made anew.
    (checkout.root / ".venv" / ".installed-for-run").unlink()
    shutil.rmtree(next((checkout.root / ".venv" / "lib").glob("python*")) / "site-packages" / "pip")
    repaired = checkout.run()
    assert (repaired.returncode, repaired.stderr) == (0, "")
    assert "Making .venv" in repaired.stdout
    assert not marker.exists()

    # A failure shows the output of pip, and the next start tries again.
    (checkout.root / "requirements.txt").write_text("./no-such.whl\n")
    failed = checkout.run()
    assert failed.returncode == 1
    assert "no-such.whl" in failed.stderr
    assert "pip install" in failed.stderr.splitlines()[-1]
    assert "started" not in failed.stdout
    (checkout.root / "requirements.txt").write_text("")
    assert checkout.run().stdout.endswith("started\n")
    assert not checkout.home.exists()


# --- The jobs of bin/test ---

#: Stands for pytest: prints its arguments.
PYTEST = """
import pathlib, sys
database, = [word.partition("=")[2] for word in sys.argv if word.startswith("--database=")]
session = database + "-once" * ("once" in sys.argv)
print("pytest", *sys.argv[1:], flush=True)
"""
#: Waits for a signal as pytest does. It takes a while to tidy up, in which no second signal may come, and ends with 2.
WAITING = """
import signal, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    pathlib.Path(f"started-{session}").touch()
    for _ in range(600):  # A signal just before a sleep does not end it.
        time.sleep(0.1)
except KeyboardInterrupt:
    time.sleep(0.3)
    pathlib.Path(f"tidied-{session}").touch()
    sys.exit(2)
"""
CHECKS = ["ruff check", "ruff format", "mypy", "lint-imports", "manage.py check", "manage.py makemigrations"]
#: Arguments, and the sessions that run side by side.
RUNNING = [([], ["postgresql", "sqlite", "sqlite-once"]), (["tests/some"], ["sqlite"])]
SESSIONS = ["tests not about the database", "tests on SQLite", "tests on PostgreSQL"]


class Jobs:
    """A copy of bin/_test.py with stand-ins for its programs."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "checkout"
        self.temporary = directory / "tmp"
        programs = self.root / "programs"
        for folder in (self.root / "bin", self.temporary, programs):
            folder.mkdir(parents=True)
        shutil.copy(ROOT / "bin" / "_test.py", self.root / "bin")
        self.python = programs / "python"
        self.python.symlink_to(os.path.realpath(sys.executable))
        self.stand_in("programs/ruff", f"#!{sys.executable}\nimport sys; print('ruff', *sys.argv[1:])\n")
        self.stand_in("programs/lint-imports", "print('lint-imports')\n")
        self.stand_in("mypy.py", "print('mypy')\n")
        self.stand_in("manage.py", "import sys; print('manage.py', *sys.argv[1:])\n")
        self.stand_in("pytest.py", PYTEST)

    def stand_in(self, path: str, code: str) -> None:
        (self.root / path).write_text(code)
        (self.root / path).chmod(0o755)

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.python, self.root / "bin" / "_test.py", *arguments],
            cwd=self.root,
            env={"PATH": str(self.root), "TMPDIR": str(self.temporary)} | variables,
            # Under nohup, pytest ignores SIGHUP and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Return the exit code and the output."""
        with self.start(*arguments, **variables) as process:
            output, _ = process.communicate(timeout=120)
        return process.returncode, output


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path)
    yield made
    assert list(made.temporary.iterdir()) == []


def headings(output: str) -> list[str]:
    return re.findall(r"^== (.*)$", output, flags=re.MULTILINE)


def summary(output: str) -> list[tuple[str, str]]:
    """Return the outcome and the name of each job."""
    lines = output.rpartition("== summary\n")[2].splitlines()
    return [
        (outcome, name) for outcome, name in re.findall(r"^(\S+) +(.*?) +\d+ s$", "\n".join(lines), flags=re.MULTILINE)
    ]


def test_all_checks_and_tests_run_and_background_sessions_are_shown_last(jobs: Jobs) -> None:
    code, output = jobs.run()
    assert code == 0, output
    beside = [f"{name}, from the beginning" for name in SESSIONS[1:]]
    assert headings(output) == [*CHECKS, SESSIONS[0], *beside, "summary"]
    assert summary(output) == [("ok", name) for name in [*CHECKS, *SESSIONS]]
    for line in (
        "ruff check .",
        "ruff format --check .",
        "manage.py check --fail-level WARNING",
        "manage.py makemigrations --check --dry-run",
        "pytest --database=sqlite -m once -o cache_dir=",
        "pytest --database=sqlite -m not once -o cache_dir=",
        "pytest --database=postgresql -o cache_dir=",
    ):
        assert any(shown.startswith(line) for shown in output.splitlines()), line


def test_the_long_sessions_run_beside_the_checks(jobs: Jobs) -> None:
    # The check waits for the start of the sessions, and they wait for the end of the check.
    wait = "import pathlib, time\nwhile not all(pathlib.Path(name).exists() for name in {names}): time.sleep(0.01)\n"
    jobs.stand_in(
        "mypy.py", wait.format(names=["began-sqlite", "began-postgresql"]) + "pathlib.Path('checked').touch()"
    )
    begin = "pathlib.Path(f'began-{session}').touch()\nprint('first words', flush=True)\n"
    jobs.stand_in("pytest.py", PYTEST + begin + wait.format(names=["checked"]) + "print('last words')\n")
    code, output = jobs.run()
    assert code == 0, output
    assert output.count("first words\nlast words") == 3


def test_after_a_failure_the_other_jobs_run_and_the_exit_code_is_1(jobs: Jobs) -> None:
    jobs.stand_in("mypy.py", "raise SystemExit(1)\n")
    jobs.stand_in("pytest.py", PYTEST + "sys.exit(1 if database == 'postgresql' else 0)\n")
    code, output = jobs.run()
    assert code == 1
    failed = ["mypy", "tests on PostgreSQL"]
    assert summary(output) == [("FAILED" if name in failed else "ok", name) for name in [*CHECKS, *SESSIONS]]


#: Notes as pytest does that `failed` failed, and ends with the exit code of its run: the first, or the second.
FAILING = """
import json
[cache] = [word.partition("=")[2] for word in sys.argv if word.startswith("cache_dir=")]
noted = pathlib.Path(cache, "v", "cache", "lastfailed")
if database == "postgresql" and "--last-failed" not in sys.argv:
    noted.parent.mkdir(parents=True)
    noted.write_text(json.dumps(dict.fromkeys(failed, True)))
    sys.exit(first)
if "--last-failed" in sys.argv:
    sys.exit(second)
"""
FAILED_TESTS = ["tests/test_some.py::test_one", "tests/test_some.py::test_two"]


@pytest.mark.parametrize(
    ("second", "outcomes"), [(0, {"again", "ok"}), (1, {"FAILED"})], ids=["passes alone", "fails alone"]
)
def test_what_failed_runs_once_more_and_alone(jobs: Jobs, second: int, outcomes: set[str]) -> None:
    jobs.stand_in("pytest.py", PYTEST + f"failed, first, second = {FAILED_TESTS}, 1, {second}" + FAILING)
    code, output = jobs.run()
    assert code == second
    assert headings(output)[-2:] == ["tests on PostgreSQL, what failed", "summary"]
    again = {outcome for outcome, name in summary(output) if name.startswith("tests on PostgreSQL")}
    assert again == outcomes
    assert ("\n".join(["passed alone, so a race of the test or of what it tests:", *FAILED_TESTS]) in output) != second


@pytest.mark.parametrize(("number", "first"), [(9, 1), (1, 2)], ids=["too many for a race", "the session broke"])
def test_what_is_no_race_does_not_run_again(jobs: Jobs, number: int, first: int) -> None:
    names = [f"test_{each}" for each in range(number)]
    jobs.stand_in("pytest.py", PYTEST + f"failed, first, second = {names}, {first}, 0" + FAILING)
    code, output = jobs.run()
    assert code == 1
    assert "--last-failed" not in output


def test_arguments_go_to_pytest_on_one_database_after_the_other(jobs: Jobs) -> None:
    jobs.stand_in("pytest.py", PYTEST + "print('end of', database)\n")
    code, output = jobs.run("tests/some", "-k", "one or two")
    assert code == 0, output
    sessions = [
        f"pytest --database={name} tests/some -k one or two\nend of {name}\n" for name in ("sqlite", "postgresql")
    ]
    assert output.startswith(f"\n== tests on SQLite\n{sessions[0]}\n== tests on PostgreSQL\n{sessions[1]}\n== summary")
    assert summary(output) == [("ok", "tests on SQLite"), ("ok", "tests on PostgreSQL")]


@pytest.mark.parametrize(("without", "code"), [("postgresql", 0), ("sqlite", 0), ("sqlite postgresql", 1)])
def test_at_least_one_database_must_have_tests(jobs: Jobs, without: str, code: int) -> None:
    jobs.stand_in("pytest.py", PYTEST + f"sys.exit(5 if database in {without.split()} else 0)\n")
    ended, output = jobs.run("tests/some")
    assert ended == code
    assert [outcome for outcome, _ in summary(output)].count("none") == len(without.split())
    assert ("no test was found" in output) == bool(code)


@pytest.mark.parametrize("arguments", [[], ["tests/some"]])
def test_tests_run_on_another_redis_if_there_is_one(jobs: Jobs, arguments: list[str]) -> None:
    url = "redis://127.0.0.1:6379/5"
    expected = " ".join(["pytest --database=sqlite", f"--redis={url} -m redis", *arguments])
    assert expected in jobs.run(*arguments, TEST_REDIS_URL=url)[1]
    jobs.stand_in("redis-server", "")
    assert f"--redis={jobs.root / 'redis-server'} -m redis" in jobs.run(*arguments)[1]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda signum: signum.name)
@pytest.mark.parametrize(("arguments", "sessions"), RUNNING)
def test_a_signal_ends_all_sessions_and_starts_no_other(
    jobs: Jobs, signum: int, arguments: list[str], sessions: list[str]
) -> None:
    jobs.stand_in("pytest.py", PYTEST + WAITING)
    with jobs.start(*arguments) as process:
        wait_until(lambda: all((jobs.root / f"started-{name}").exists() for name in sessions))
        process.send_signal(signum)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "summary" not in output
    assert sorted(path.name for path in jobs.root.glob("tidied-*")) == [f"tidied-{name}" for name in sessions]


#: Stands for coverage: runs a module, or reports.
COVERAGE = """
import os, runpy, sys
if sys.argv[1:3] == ["run", "-m"]:
    print("measured into", os.environ["COVERAGE_FILE"])
    sys.argv[:] = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__")
else:
    print("87" if "--format=total" in sys.argv else " ".join(["coverage", *sys.argv[1:]]))
"""


def test_coverage_is_measured_on_request(jobs: Jobs) -> None:
    jobs.stand_in("coverage.py", COVERAGE)
    code, output = jobs.run("--coverage", "tests/some")
    assert code == 0, output
    assert headings(output) == ["tests on SQLite", "tests on PostgreSQL", "coverage", "summary"]
    assert output.count(f"measured into {jobs.temporary}") == 2
    assert "pytest --database=postgresql tests/some\n" in output
    assert "\n87 % of the lines of aiWriting, apps and workers were covered\n" in output


#: Makes its standard input the terminal of its session, then runs its arguments.
ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.mark.parametrize(("arguments", "sessions"), RUNNING)
def test_ctrl_c_on_a_terminal_reaches_each_session_once(jobs: Jobs, arguments: list[str], sessions: list[str]) -> None:
    jobs.stand_in("pytest.py", PYTEST + WAITING)
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, jobs.python, jobs.root / "bin" / "_test.py", *arguments],
            cwd=jobs.root,
            env={"PATH": str(jobs.root), "TMPDIR": str(jobs.temporary)},
            stdin=slave,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: all((jobs.root / f"started-{name}").exists() for name in sessions))
        os.write(master, b"\x03")
        assert process.wait(60) == 130
    finally:
        os.close(slave)
        os.close(master)
    assert sorted(path.name for path in jobs.root.glob("tidied-*")) == [f"tidied-{name}" for name in sessions]


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("deaf").touch()
time.sleep(600)
"""


def test_a_second_signal_kills_a_session_that_ignores_the_first(jobs: Jobs) -> None:
    jobs.stand_in("pytest.py", PYTEST + DEAF)
    with jobs.start("tests/some") as process:
        wait_until(lambda: (jobs.root / "deaf").exists())
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 130


def test_a_session_that_ignores_the_signal_is_killed_after_the_grace(jobs: Jobs) -> None:
    script = jobs.root / "bin" / "_test.py"
    script.write_text(script.read_text().replace("GRACE_SECONDS = 60", "GRACE_SECONDS = 0.1"))
    jobs.stand_in("pytest.py", PYTEST + DEAF)
    with jobs.start("tests/some") as process:
        wait_until(lambda: (jobs.root / "deaf").exists())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 130
