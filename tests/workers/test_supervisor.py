"""The supervisor, with real processes and real signals."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.commands import is_gone
from tests.waiting import wait_until
from workers.supervision.restarts import pause_seconds
from workers.supervision.supervisor import Child, Supervisor
from workers.supervision.watchdog import Watchdog

ROOT = Path(__file__).parents[2]
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
#: Ends when another that is stopped as well has had its signal.
MUTUAL = """
import os, signal, sys, time
def end(*_):
    os.close(os.open(sys.argv[1], os.O_CREAT))
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.01)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(600)
"""
NESTED = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-I", "-S", "-c", {STUBBORN!r}]).pid, flush=True)
{STUBBORN}
"""
BROKEN_BYTES = r"""
import sys, time
sys.stdout.buffer.write(b"caf\xc3\xa9 \xff\nno end")
sys.stdout.flush()
print("error", file=sys.stderr, flush=True)
time.sleep(600)
"""
LOGS_SIGINT = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
print("up", flush=True)
time.sleep(600)
"""


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """Return the argument list of a small Python that starts fast."""
    return (sys.executable, "-I", "-S", "-c", code, *arguments)


class Watched:
    """A supervisor that runs in a thread, with its callbacks and its output."""

    def __init__(self, *children: Child, **options: Any) -> None:
        self.starts: list[tuple[str, int]] = []
        self.exits: list[tuple[str, int, int]] = []
        self.stream = io.StringIO()
        self.code: int | None = None
        self.supervisor = Supervisor(
            on_start=lambda child, pid: self.starts.append((child.name, pid)),
            on_exit=lambda child, pid, code: self.exits.append((child.name, pid, code)),
            stream=self.stream,
            **options,
        )
        for child in children:
            self.supervisor.start(child)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        self.code = self.supervisor.run()

    def stop(self) -> int | None:
        self.supervisor.request_stop()
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.code

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def supervise() -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(*children: Child, **options: object) -> Watched:
        started.append(Watched(*children, **{"prefixed": True} | options))
        return started[-1]

    yield start
    for watched in started:
        watched.stop()
        assert all(is_gone(pid) for _, pid in watched.starts)


def test_a_dead_child_is_replaced_at_once_and_its_siblings_go_on(
    supervise: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.supervision.supervisor.LOOK_SECONDS", 600.0)
    watched = supervise(Child(name="one", argv=python(SLEEP)), Child(name="two", argv=python(SLEEP)))
    (_, first), (_, sibling) = watched.starts
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(watched.starts) == 3)
    assert watched.exits == [("one", first, -signal.SIGKILL)]
    assert watched.supervisor.pid("two") == sibling
    assert not is_gone(sibling)
    assert watched.supervisor.pid("one") == watched.starts[2][1] != first
    assert "one       | was ended by SIGKILL" in watched.text
    assert "starts again in" not in watched.text


def test_the_pause_before_a_replacement_grows_to_half_a_minute() -> None:
    assert [pause_seconds(deaths) for deaths in range(1, 11)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert pause_seconds(10_000) == 30


def test_a_child_that_lived_long_is_replaced_without_a_pause(
    supervise: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.supervision.restarts.PROVEN_SECONDS", 0.0)
    watched = supervise(Child(name="one", argv=python("pass")))
    wait_until(lambda: len(watched.exits) >= 5)
    assert "starts again in" not in watched.text


def test_a_child_that_ends_as_planned_is_replaced_at_once_and_never_given_up(
    supervise: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.supervision.supervisor.LOOK_SECONDS", 600.0)
    planned = Child(name="planned", argv=python("raise SystemExit(79)"), planned_code=79)
    steady = Child(name="steady", argv=python(SLEEP))
    watched = supervise(planned, steady, give_up_after=3)
    wait_until(lambda: len(watched.exits) >= 8)
    assert watched.thread.is_alive()
    assert watched.stop() == 0
    assert {name for name, _, _ in watched.exits[:8]} == {"planned"}
    assert "exit code" not in watched.text
    assert "starts again in" not in watched.text


def test_a_child_that_keeps_ending_is_given_up_with_its_last_lines(supervise: Callable[..., Watched]) -> None:
    broken = Child(name="broken", argv=python("print('no such table: x'); raise SystemExit(3)"))
    steady = Child(name="steady", argv=python(SLEEP))
    watched = supervise(broken, steady, give_up_after=3)
    watched.thread.join(60)
    assert watched.code == 1
    assert [code for name, _, code in watched.exits if name == "broken"] == [3, 3, 3]
    assert "broken ended 3 times within 30 s; stopped. Its last lines:\n  no such table: x" in watched.text
    assert "broken    | starts again in 0.5 s" in watched.text


def test_without_a_limit_a_child_is_never_given_up(supervise: Callable[..., Watched]) -> None:
    watched = supervise(Child(name="broken", argv=python("raise SystemExit(3)")))
    wait_until(lambda: len(watched.exits) >= 4)
    assert watched.thread.is_alive()
    assert watched.stop() == 0


def test_a_program_that_cannot_be_started_raises_at_its_start() -> None:
    with Supervisor() as supervisor, pytest.raises(FileNotFoundError):
        supervisor.start(Child(name="none", argv=("/no/such/program",)))


def test_two_children_of_one_name_are_refused() -> None:
    with Supervisor(prefixed=True, stream=io.StringIO()) as supervisor:
        supervisor.start(Child(name="one", argv=python(SLEEP)))
        with pytest.raises(ValueError, match="'one'"):
            supervisor.start(Child(name="one", argv=python(SLEEP)))


def test_children_stop_in_the_declared_order(supervise: Callable[..., Watched], tmp_path: Path) -> None:
    web, worker = str(tmp_path / "web"), str(tmp_path / "worker")
    watched = supervise(
        Child(name="server", argv=python(SLEEP), stop_order=1),
        Child(name="web", argv=python(MUTUAL, web, worker), grace_seconds=60),
        Child(name="worker", argv=python(MUTUAL, worker, web), grace_seconds=60),
    )
    wait_until(lambda: watched.text.count("up") == 3)
    assert watched.stop() == 0
    assert [name for name, *_ in watched.exits][2] == "server"
    assert {name: code for name, _, code in watched.exits[:2]} == {"web": 0, "worker": 0}, "at the same time"


def test_a_child_that_ignores_the_signal_is_killed_with_its_group_after_the_grace_time(
    supervise: Callable[..., Watched],
) -> None:
    watched = supervise(Child(name="stubborn", argv=python(NESTED), grace_seconds=0.3))
    wait_until(lambda: watched.text.count("up") == 2)
    grandchild = int(re.findall(r"\| (\d+)", watched.text)[0])
    watched.stop()
    assert watched.exits[0][2] == -signal.SIGKILL
    wait_until(lambda: is_gone(grandchild))
    assert "did not stop within 0.3 s, is killed" in watched.text


def test_no_child_is_replaced_during_a_stop(supervise: Callable[..., Watched]) -> None:
    watched = supervise(Child(name="one", argv=python(SLEEP)), Child(name="two", argv=python(SLEEP)))
    watched.stop()
    assert len(watched.starts) == len(watched.exits) == 2


def test_lines_carry_the_child_s_name_and_broken_bytes_do_no_harm(supervise: Callable[..., Watched]) -> None:
    watched = supervise(Child(name="web", argv=python(BROKEN_BYTES)))
    wait_until(lambda: "error" in watched.text)
    assert "web       | café \N{REPLACEMENT CHARACTER}\n" in watched.text
    assert "\x1b[" not in watched.text


def test_a_hidden_child_shows_its_lines_only_when_it_ends_unasked(supervise: Callable[..., Watched]) -> None:
    quiet = Child(name="quiet", argv=python(SLEEP), shown=False)
    watched = supervise(quiet)
    wait_until(lambda: len(watched.supervisor.tail("quiet")) == 1)
    assert "up" not in watched.text
    os.kill(watched.starts[0][1], signal.SIGKILL)
    wait_until(lambda: "quiet     | was ended by SIGKILL" in watched.text)
    assert "quiet     | up\n" in watched.text


def test_a_callback_that_fails_stops_nothing(
    supervise: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    watched = supervise(Child(name="one", argv=python(SLEEP)))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    watched.supervisor.on_exit = fail
    os.kill(watched.starts[0][1], signal.SIGKILL)
    wait_until(lambda: len(watched.starts) == 2)
    assert "ZeroDivisionError" in caplog.text


def test_a_closed_output_ends_the_lines_and_not_the_run(supervise: Callable[..., Watched]) -> None:
    watched = supervise(Child(name="one", argv=python(SLEEP)))
    watched.stream.close()
    os.kill(watched.starts[0][1], signal.SIGKILL)
    wait_until(lambda: len(watched.starts) == 2)
    assert watched.stop() == 0


# --- As a process of its own: signals and the watchdog -------------------------------------------

SCRIPT = """
import sys
from workers.supervision.supervisor import Child, Supervisor
{before}
with Supervisor(prefixed=True) as supervisor:
    for number in (1, 2):
        pid = supervisor.start(Child(name=f"child-{number}", argv=sys.argv[1:], grace_seconds=1))
        supervisor.write(f"pid {pid}")
    code = supervisor.run()
sys.exit(code)
"""


@pytest.fixture
def run_script(tmp_path: Path) -> Iterator[Callable[..., tuple["subprocess.Popen[str]", list[int], Path]]]:
    """Start a supervisor of two children as a process. Return the process, the children's pids and its log file.

    The code in `before` runs first in the supervisor's process.
    """
    started: list[tuple[subprocess.Popen[str], list[int]]] = []

    def start(code: str, *, before: str = "") -> tuple["subprocess.Popen[str]", list[int], Path]:
        log = tmp_path / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT.replace("{before}", before), *python(code)],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        pids: list[int] = []
        started.append((process, pids))
        wait_until(lambda: log.read_text().count("| up") == 2, explain=log.read_text)
        pids += map(int, re.findall(r"pid (\d+)", log.read_text()))
        return process, pids, log

    yield start
    for process, pids in started:
        process.kill()
        process.wait()
        for pid in pids:
            wait_until(partial(is_gone, pid))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_repeated_signals_stop_everything_without_a_traceback(
    run_script: Callable[..., tuple["subprocess.Popen[str]", list[int], Path]], signum: signal.Signals
) -> None:
    process, pids, log = run_script(STUBBORN)
    while process.poll() is None:
        process.send_signal(signum)
        time.sleep(0.01)
    assert process.returncode == 0
    assert all(is_gone(pid) for pid in pids)
    assert "Traceback" not in log.read_text()


def test_a_signal_of_the_terminal_reaches_the_supervisor_only(
    run_script: Callable[..., tuple["subprocess.Popen[str]", list[int], Path]],
) -> None:
    process, _, log = run_script(LOGS_SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 0
    assert "interrupted" not in log.read_text()


@pytest.mark.parametrize("code", [SLEEP, STUBBORN], ids=["willing", "stubborn"])
def test_no_process_survives_a_killed_supervisor(
    run_script: Callable[..., tuple["subprocess.Popen[str]", list[int], Path]], code: str
) -> None:
    process, pids, _ = run_script(code)
    [watchdog] = [child for child in psutil.Process(process.pid).children() if child.pid not in pids]
    assert not any(is_gone(pid) for pid in pids)
    process.kill()
    process.wait()
    wait_until(lambda: all(is_gone(pid) for pid in pids))
    wait_until(lambda: is_gone(watchdog.pid))


def test_a_killed_watchdog_is_replaced_by_one_that_knows_the_children(
    run_script: Callable[..., tuple["subprocess.Popen[str]", list[int], Path]],
) -> None:
    process, pids, _ = run_script(SLEEP)

    def watchdogs() -> list[psutil.Process]:
        return [child for child in psutil.Process(process.pid).children() if child.pid not in pids]

    [first] = watchdogs()
    first.kill()
    wait_until(
        lambda: [watchdog for watchdog in watchdogs() if watchdog.pid != first.pid and not is_gone(watchdog.pid)]
    )
    process.kill()
    process.wait()
    wait_until(lambda: all(is_gone(pid) for pid in pids))


def test_a_child_is_replaced_when_there_is_room_for_a_thread_again(
    supervise: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`can't start new thread` while the replacement starts."""
    watched = supervise(Child(name="one", argv=python(SLEEP)))
    real = threading.Thread.start
    refused: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if thread.name == "one waits" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    os.kill(watched.starts[0][1], signal.SIGKILL)
    wait_until(lambda: len(watched.starts) == 2)
    assert "could not be started: can't start new thread" in watched.text
    assert watched.supervisor.alive("one")


KILLED_AS_THE_SECOND_WATCHDOG_STARTS = """
import os, signal, subprocess
watchdogs = 0
class Popen(subprocess.Popen):
    def __init__(self, argv, **options):
        global watchdogs
        super().__init__(argv, **options)
        watchdogs += argv[-1].endswith("watchdog.py")
        if watchdogs == 2:
            os.kill(os.getpid(), signal.SIGKILL)
subprocess.Popen = Popen
"""


def test_a_new_watchdog_knows_the_children_from_its_start(
    run_script: Callable[..., tuple["subprocess.Popen[str]", list[int], Path]],
) -> None:
    process, pids, _ = run_script(SLEEP, before=KILLED_AS_THE_SECOND_WATCHDOG_STARTS)
    [watchdog] = [child for child in psutil.Process(process.pid).children() if child.pid not in pids]
    watchdog.kill()
    assert process.wait(60) == -signal.SIGKILL
    wait_until(lambda: all(is_gone(pid) for pid in pids))


def test_a_watchdog_leaves_a_released_process_alone() -> None:
    watchdog = Watchdog()
    child = Child(name="one", argv=python(SLEEP)).popen(stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        watchdog.hold(child.pid, stop_signal=signal.SIGKILL, stop_order=0, grace_seconds=1)
        assert child.stdout.readline() == b"up\n"
        watchdog.release(child.pid)
        watchdog.close()
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
