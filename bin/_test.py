"""The checks and tests of bin/test, and which of them run side by side. Standard library only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
PROGRAMS = Path(PYTHON).parent
POLL_SECONDS = 0.05
#: Seconds for a job to end after a signal. pytest stops its servers meanwhile.
GRACE_SECONDS = 60
#: pytest's exit code for "no test was collected". The other database may have the tests that were asked for.
NO_TESTS = 5
#: pytest's exit code for "tests failed". With others the session itself went wrong.
TESTS_FAILED = 1
#: Failed tests of a session that run once more, at most. More than that is no race.
MOST_AGAIN = 8
#: Our exit code after a signal.
STOPPED = 130


class StoppedError(Exception):
    """A signal asked us to stop."""


@dataclass(kw_only=True)
class Job:
    """A command with a line in the summary.

    Parameters:
      is_pytest: Whether the exit code is pytest's.
      log: File that takes the output of a job in the background.
      environment: Variables that it gets beside ours.
      cache: Folder in which pytest notes what failed.
      again: The job that runs what failed in this one once more.
    """

    name: str
    command: list[str]
    is_pytest: bool = False
    log: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    cache: Path | None = None
    again: "Job | None" = None
    process: "subprocess.Popen[bytes] | None" = None
    began: float = 0
    ended: float = 0

    def start(self, **options: Any) -> None:
        self.began = time.monotonic()
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=os.environ | self.environment, **options)

    def poll(self) -> bool:
        """Return whether the job runs, and note the time of its end."""
        is_running = self.process is not None and self.process.poll() is None
        if not is_running and not self.ended:
            self.ended = time.monotonic()
        return is_running

    @property
    def code(self) -> int | None:
        return self.process.returncode if self.process else None

    @property
    def outcome(self) -> str:
        if self.again and self.again.code == 0:
            return "again"
        return "ok" if self.code == 0 else "none" if self.is_pytest and self.code == NO_TESTS else "FAILED"

    def failed_tests(self) -> list[str]:
        """Return the names of the tests that failed. Empty if they were too many for a race."""
        noted = self.cache / "v" / "cache" / "lastfailed" if self.cache else None
        if self.code != TESTS_FAILED or noted is None or not noted.exists():
            return []
        failed = list(json.loads(noted.read_text()))
        return failed if len(failed) <= MOST_AGAIN else []


class Runner:
    """Runs jobs in the foreground and in the background, and ends them all on a signal.

    Parameters:
      folder: Takes the output of jobs in the background.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs: list[Job] = []
        self.signals: list[int] = []
        # Jobs that may read the terminal share our process group, so its Ctrl-C reaches them without us.
        self.is_interactive = sys.stdin is not None and sys.stdin.isatty()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:  # nohup stays in force.
                signal.signal(signum, self.note_signal)

    def note_signal(self, signum: int, frame: FrameType | None) -> None:
        self.signals.append(signum)

    def run(self, job: Job) -> None:
        """Run the job in the foreground."""
        show_heading(job.name)
        job.start(process_group=None if self.is_interactive else 0)
        self.jobs.append(job)
        while job.poll():
            self.pause()

    def start(self, job: Job) -> Job:
        """Start the job in the background. `join` shows its output."""
        job.log = self.folder / f"{len(self.jobs)}.log"
        with job.log.open("wb") as output:
            job.start(process_group=0, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        self.jobs.append(job)
        return job

    def join(self, job: Job) -> None:
        """Show the output of a job in the background, from its beginning to its end."""
        assert job.log is not None
        show_heading(f"{job.name}, from the beginning")
        with job.log.open("rb") as log:
            while True:
                is_running = job.poll()  # Before its output is read, so that the last of it is not missed.
                shutil.copyfileobj(log, sys.stdout.buffer)
                sys.stdout.flush()
                if not is_running:
                    return
                self.pause()

    def pause(self) -> None:
        if self.signals:
            raise StoppedError
        for job in self.jobs:
            job.poll()
        time.sleep(POLL_SECONDS)

    def end(self) -> None:
        """End the jobs that run and wait for them. A second signal kills them, and so does the end of the grace."""
        told, deadline = len(self.signals), time.monotonic() + GRACE_SECONDS
        for job in self.jobs:
            has_the_signal = self.signals == [signal.SIGINT] and self.is_interactive and job.log is None
            if job.process is not None and job.poll() and not has_the_signal:
                job.process.terminate()
        while running := [job for job in self.jobs if job.poll()]:
            if len(self.signals) > told or time.monotonic() > deadline:
                for job in running:
                    if job.process is not None:
                        job.process.kill()
            time.sleep(POLL_SECONDS)


def measure_coverage(folder: Path) -> None:
    """Let the sessions, and the processes that they start, write what they covered into the folder."""
    os.environ["COVERAGE_FILE"] = str(folder / "coverage")
    if sys.version_info >= (3, 12):
        os.environ["COVERAGE_CORE"] = "sysmon"  # A tenth more processor time. Without it: half.


def report_coverage() -> str:
    """Show the coverage by file and return the total, in per cent."""
    coverage = [PYTHON, "-m", "coverage"]
    show_heading("coverage")
    subprocess.run([*coverage, "combine", "--quiet"], cwd=ROOT, check=False)
    subprocess.run([*coverage, "report"], cwd=ROOT, check=False)
    total = subprocess.run(
        [*coverage, "report", "--format=total"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return total.stdout.strip()


def show_heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


def checks() -> list[Job]:
    ruff, lint_imports = str(PROGRAMS / "ruff"), str(PROGRAMS / "lint-imports")
    manage = [PYTHON, "manage.py"]
    return [
        Job(name="ruff check", command=[ruff, "check", "."]),
        Job(name="ruff format", command=[ruff, "format", "--check", "."]),
        Job(name="mypy", command=[PYTHON, "-m", "mypy"]),
        Job(name="lint-imports", command=[PYTHON, lint_imports]),
        Job(
            name="manage.py check",
            command=[*manage, "check", "--fail-level", "WARNING"],
            environment={"SILENCED_SYSTEM_CHECKS": "documents.W002"},  # An old expat is this machine's fault.
        ),
        Job(name="manage.py makemigrations", command=[*manage, "makemigrations", "--check", "--dry-run"]),
    ]


def tests(where: str, *arguments: str) -> Job:
    """Return a pytest session; one that measures its coverage where `measure_coverage` was called."""
    measured = ["coverage", "run", "-m"] if "COVERAGE_FILE" in os.environ else []
    return Job(name=f"tests {where}", command=[PYTHON, "-m", *measured, "pytest", *arguments], is_pytest=True)


def tests_on_another_redis(*arguments: str) -> list[Job]:
    """Return the tests that are about Redis, on another server than the bundled one. Empty where there is none."""
    server = os.environ.get("TEST_REDIS_URL") or shutil.which("redis-server")
    if not server:
        return []
    return [tests("on another Redis", "--database=sqlite", f"--redis={server}", "-m", "redis", *arguments)]


def run_all(runner: Runner) -> None:
    """Run all checks and tests. The two long sessions run beside the rest and are shown after it.

    Tests that failed run once more after that.
    """
    print("The tests on SQLite and PostgreSQL run beside what follows and are shown after it.", flush=True)
    long = [
        tests("on SQLite", "--database=sqlite", "-m", "not once"),
        tests("on PostgreSQL", "--database=postgresql"),
    ]
    others = [tests("not about the database", "--database=sqlite", "-m", "once"), *tests_on_another_redis()]
    for number, job in enumerate([*long, *others]):
        job.cache = runner.folder / f"cache-{number}"
        job.command += ["-o", f"cache_dir={job.cache}"]
    beside = [runner.start(job) for job in long]
    for job in [*checks(), *others]:
        runner.run(job)
    for job in beside:
        runner.join(job)
    run_again(runner)


def run_again(runner: Runner) -> None:
    """Run the tests that failed once more, with nothing beside them.

    Several sessions share few processors, so that a test may wait longer than it foresaw. A broken one fails again.
    """
    for job in [job for job in runner.jobs if job.failed_tests()]:
        job.again = Job(
            name=f"{job.name}, what failed",
            command=[*job.command, "--last-failed", "--last-failed-no-failures=none"],
            is_pytest=True,
        )
        runner.run(job.again)


def run_some(runner: Runner, arguments: list[str]) -> None:
    """Run the tests that pytest's arguments choose, on one database after the other, so that `--pdb` works."""
    for job in [
        tests("on SQLite", "--database=sqlite", *arguments),
        tests("on PostgreSQL", "--database=postgresql", *arguments),
        *tests_on_another_redis(*arguments),
    ]:
        runner.run(job)


def summarize(jobs: list[Job]) -> int:
    """Show a line for each job, in the order in which they were shown, and return the exit code."""
    covered = report_coverage() if "COVERAGE_FILE" in os.environ else ""
    show_heading("summary")
    for job in sorted(jobs, key=lambda job: job.log is not None):
        print(f"{job.outcome:<7} {job.name:<28} {job.ended - job.began:4.0f} s")
    if covered:
        print(f"{covered} % of the lines of aiWriting, apps and workers were covered")
    if raced := [test for job in jobs if job.outcome == "again" for test in job.failed_tests()]:
        print("failed beside other sessions and passed alone, so a race of the test or of what it tests:")
        print(*raced, sep="\n")
    has_tests = any(job.is_pytest and job.outcome != "none" for job in jobs)
    if not has_tests:
        print("no test was found")
    return 0 if has_tests and all(job.outcome != "FAILED" for job in jobs) else 1


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="aiwriting-test-") as folder:
        os.environ |= {"SECRET_KEY": "only-for-the-checks", "AIWRITING_VAR": folder}
        if "--coverage" in arguments:
            arguments.remove("--coverage")
            measure_coverage(Path(folder))
        runner = Runner(Path(folder))
        try:
            if arguments:
                run_some(runner, arguments)
            else:
                run_all(runner)
        except StoppedError:
            return STOPPED
        finally:
            runner.end()
        return summarize(runner.jobs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
