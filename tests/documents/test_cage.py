"""The process that handles a stranger's file reaches nothing but that file."""

import io
import json
import logging
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from xml.parsers import expat

import psutil
import pytest
from django.core.checks import run_checks
from dramatiq import Worker
from pytest_django import Settings

from apps.documents import checks, readers
from apps.documents.cage_notice import CageNotice
from apps.documents.readers import AmbiguousEncodingError, Limits, UnreadableTextError, cage, isolated, probe
from apps.documents.readers.cage import kernel, landlock, process, seccomp
from apps.documents.readers.cage.kernel import AARCH64, ARCHITECTURES, X86_64, Architecture
from apps.documents.readers.errors import CageError
from tests import manuscripts
from tests.waiting import wait_until

NOVEL = manuscripts.WRITTEN_ELSEWHERE / "three-chapters.docx"
#: Seconds that a slow machine may take for a process.
GENEROUS_SECONDS = 60

needs_cage = pytest.mark.skipif(bool(cage.missing()), reason="this machine lacks something for the cage")

OUTSIDE = """
import json, sys
from apps.documents.readers import Limits
from apps.documents.readers.cage.attempts import Attempts
print(Attempts(**json.loads(sys.argv[1]))(None, Limits(memory_bytes=1_000_000), None).decode())
"""


@pytest.fixture(scope="module")
def held() -> dict[str, bool]:
    """Which attempts to leave the cage were held."""
    return probe.held()


@needs_cage
def test_every_attempt_to_leave_the_cage_is_held(held: dict[str, bool]) -> None:
    assert [name for name, is_held in held.items() if not is_held] == []


@needs_cage
def test_the_attempts_cover_each_kind_of_escape(held: dict[str, bool]) -> None:
    kinds = {name.partition(":")[0] for name in held}
    assert kinds == {"network", "programs", "others", "files", "kernel", "limits", "inherited"}


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root of a Linux may do all of it")
def test_every_attempt_succeeds_outside_of_the_cage(tmp_path: Path) -> None:
    """Otherwise the attempt would be wrong, and prove nothing."""
    with probe.targets() as arguments, (tmp_path / "own").open("w+") as own, (tmp_path / "more").open("w") as more:
        done = subprocess.run(
            [sys.executable, "-c", OUTSIDE, json.dumps(arguments)],
            stdin=own,
            capture_output=True,
            text=True,
            cwd=cage.ROOT,
            pass_fds=[more.fileno()],
            timeout=GENEROUS_SECONDS,
        )
    assert done.returncode == 0, done.stderr
    held = {name for name, is_held in json.loads(done.stdout).items() if is_held}
    # A container may refuse these to root as well.
    assert {name for name in held if not name.startswith("kernel")} == set()


def test_the_probe_prints_each_attempt_and_says_by_its_exit_code_whether_all_are_held(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cage, "missing", lambda: [cage.NO_LANDLOCK])
    monkeypatch.setattr(probe, "held", lambda: {"files: read one": False, "network: connect": True})
    assert probe.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["files: read one   NOT HELD", "network: connect  held"]
    assert "1 of 2 are held" in lines[2]
    assert "needs Landlock" in lines[3]
    monkeypatch.setattr(probe, "held", lambda: {"network: connect": True})
    assert probe.main() == 0


# --- The filter of system calls ---


def judged(known: Architecture, name_or_number: str | int, *arguments: int, audit: int | None = None) -> int:
    """Return what the filter decides about a call, as the kernel would run it."""
    number = known.calls[name_or_number] if isinstance(name_or_number, str) else name_or_number
    words = [*arguments, *[0] * (6 - len(arguments))]
    call = struct.pack("<IIQ6Q", number, known.audit if audit is None else audit, 0, *words)
    program = seccomp.program(known, pid=77)
    at = value = 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        match code:
            case seccomp.LOAD:
                (value,) = struct.unpack_from("<I", call, operand)
            case seccomp.RETURN:
                return operand
            case seccomp.EQUAL:
                at += if_true if value == operand else if_false
            case seccomp.AT_LEAST:
                at += if_true if value >= operand else if_false
            case seccomp.ANY_BIT:
                at += if_true if value & operand else if_false
            case _:
                raise AssertionError(code)


both = pytest.mark.parametrize("known", ARCHITECTURES.values(), ids=ARCHITECTURES)


@both
def test_the_filter_lets_reading_and_memory_through(known: Architecture) -> None:
    for name in ("read", "write", "mmap", "brk", "futex", "exit_group", "getrandom", "newfstatat"):
        assert judged(known, name) == seccomp.ALLOW, name


@both
def test_the_filter_looks_at_arguments(known: Architecture) -> None:
    above = 2**32
    opened = judged(known, "openat", 0, 0, os.O_RDONLY | os.O_CLOEXEC)
    assert opened == judged(known, "kill", 77, 6) == judged(known, "tgkill", 77, 78, 6) == seccomp.ALLOW
    assert judged(known, "prlimit64", 0, 7, 0, 1) == judged(known, "ioctl", 0, 0x5401) == seccomp.ALLOW
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND):
        assert judged(known, "openat", 0, 0, flags) == seccomp.REFUSE
    for name, arguments in {
        "kill": (76, 9),
        "tgkill": (76, 76, 9),
        "fcntl": (0, 8, 76),  # Have a signal sent.
        "ioctl": (0, 0x5412),  # Type into a terminal.
        "prlimit64": (76, 7, 0, 1),
    }.items():
        assert judged(known, name, *arguments) == seccomp.REFUSE, name
    for limit in (1, above):
        assert judged(known, "prlimit64", 0, 7, limit) == seccomp.REFUSE


@both
def test_the_filter_lets_no_other_call_through(known: Architecture) -> None:
    let_through = {number for number in range(600) if judged(known, number) == seccomp.ALLOW}
    assert let_through <= set(known.calls.values())
    # Those whose arguments of zero are wrong, and those that only the closing of the cage makes.
    assert set(known.calls.values()) - let_through == {
        known.calls[name] for name in ("capset", "seccomp", "kill", "tgkill", "ioctl")
    }


@both
def test_a_call_of_another_architecture_ends_the_process(known: Architecture) -> None:
    other = X86_64 if known is AARCH64 else AARCH64
    assert judged(known, "read", audit=other.audit) == seccomp.KILL_PROCESS
    assert judged(known, 0x40000000) == seccomp.KILL_PROCESS


def test_every_allowed_call_is_known_on_one_architecture_at_least() -> None:
    assert [name for name in seccomp.ALLOWED if name not in {**X86_64.calls, **AARCH64.calls}] == []


# --- Machines that lack something ---


def without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)


def without_seccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "is_supported", lambda: False)


@pytest.mark.parametrize(
    ("lack", "sentence"), [(without_landlock, cage.NO_LANDLOCK), (without_seccomp, cage.NO_SECCOMP)]
)
def test_what_a_machine_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, lack: Callable[[pytest.MonkeyPatch], None], sentence: str
) -> None:
    lack(monkeypatch)
    assert sentence in cage.missing()


def test_a_machine_that_is_no_linux_or_of_another_architecture_lacks_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "ARCHITECTURES", {})
    assert cage.missing() == [cage.NO_LANDLOCK, cage.NO_SECCOMP]


#: A reader whose machine has no Landlock.
LACKING = (
    "import runpy; from apps.documents.readers.cage import landlock; landlock.version = lambda: 0\n"
    "runpy.run_module('apps.documents.readers', run_name='__main__')"
)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "COMMAND", (sys.executable, "-c", LACKING))
    without_landlock(monkeypatch)


@pytest.mark.usefixtures("lacking")
def test_a_file_is_read_in_an_incomplete_cage_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(isolated, "told", threading.Event())
    for _ in range(2):
        assert "Bennet" in readers.read(NOVEL.read_bytes(), filename="novel.docx")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("reader works in an incomplete cage lacks=Landlock")


@pytest.mark.usefixtures("lacking")
def test_a_required_cage_that_is_incomplete_leaves_the_file_unread() -> None:
    required = Limits(cage_required=True)
    with pytest.raises(CageError, match="needs Landlock") as error:
        readers.read(NOVEL.read_bytes(), filename="novel.docx", limits=required)
    # It is not the file's fault.
    assert not isinstance(error.value, UnreadableTextError)
    # The writer does not wait: the file is read once the machine can.
    readers.check(manuscripts.pdf(b""), filename="a.pdf", limits=required)


@needs_cage
def test_a_required_cage_that_is_complete_reads_the_file() -> None:
    assert "Bennet" in readers.read(NOVEL.read_bytes(), filename="a.docx", limits=Limits(cage_required=True))


def test_a_worker_says_at_its_start_what_its_cage_lacks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broker: Any, settings: Settings
) -> None:
    assert "apps.documents.cage_notice.CageNotice" in settings.DRAMATIQ_BROKER["MIDDLEWARE"]
    worker = Worker(broker, worker_threads=1)
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(cage, "missing", list)
    CageNotice().after_worker_boot(broker, worker)
    assert caplog.messages == []
    monkeypatch.setattr(cage, "missing", lambda: ["a", "b"])
    CageNotice().after_worker_boot(broker, worker)
    assert caplog.messages == ["reader works in an incomplete cage lacks=a; b"]


@pytest.mark.parametrize(
    ("mode", "deploy", "expected"),
    [
        ("best", False, []),
        ("best", True, ["documents.W001"]),
        ("required", False, ["documents.E001"]),
        ("required", True, ["documents.E001"]),
    ],
)
def test_a_check_says_what_the_cage_lacks(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, mode: str, deploy: bool, expected: list[str]
) -> None:
    settings.READER_CAGE = mode
    monkeypatch.setattr(cage, "missing", lambda: [cage.NO_LANDLOCK])
    found = [message for message in run_checks(include_deployment_checks=deploy) if "cage" in message.msg]
    assert [message.id for message in found] == expected
    assert all("Landlock" in message.msg and message.hint for message in found)
    monkeypatch.setattr(cage, "missing", list)
    assert checks.check_cage(None) == checks.check_required_cage(None) == []


@pytest.mark.parametrize(
    ("version", "expected"), [((2, 5, 0), ["documents.W002"]), ((2, 6, 0), []), ((2, 7, 1), []), ((3, 0, 0), [])]
)
def test_a_check_warns_of_an_old_expat(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], expected: list[str]
) -> None:
    monkeypatch.setattr(expat, "version_info", version)
    assert [message.id for message in checks.check_expat(None)] == expected


# --- Other processes ---


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares processors among groups")
@pytest.mark.usefixtures("patience")
def test_a_reader_computes_after_all_others() -> None:
    """It leads a session of its own, and its group would get as much as the whole web process.

    Loading takes the same time for any file, and most of that of a short one, so it waits less.
    """
    found: list[tuple[int, str]] = []

    def look(share: float, what: str) -> None:
        pid, niceness, group = what.split()
        found.append((int(niceness), group))
        at_work = Path(f"/proc/{pid}/autogroup").read_text().split()[-1] if process.AUTOGROUP.exists() else "none"
        found.append((psutil.Process(int(pid)).nice(), at_work))

    with pytest.raises(UnreadableTextError, match="took more than 1 seconds"):
        isolated.run("tests.documents.endless_work", io.BytesIO(b""), {}, limits=Limits(seconds=1), on_progress=look)
    niceness = os.nice(0)
    assert [own - niceness for own, _ in found] == [process.LOADING_NICENESS, process.NICENESS]
    if process.AUTOGROUP.exists():
        assert [int(group) for _, group in found] == [process.LOADING_NICENESS, process.NICENESS]


def test_a_group_that_takes_its_niceness_later_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        answers: ClassVar[list[Exception | None]] = [BlockingIOError(), BlockingIOError(), None]

        def write_text(self, text: str) -> None:
            assert text == str(process.NICENESS)
            if error := self.answers.pop(0):
                raise error

    monkeypatch.setattr(process, "AUTOGROUP", Busy())
    monkeypatch.setattr(process, "AUTOGROUP_PAUSE_SECONDS", 0)
    monkeypatch.setattr(os, "nice", lambda increment: None)
    process.step_back(niceness=process.NICENESS)
    assert Busy.answers == []


def test_a_system_without_groups_has_niceness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "AUTOGROUP", tmp_path / "none" / "autogroup")
    added: list[int] = []
    monkeypatch.setattr(os, "nice", added.append)
    process.step_back(niceness=process.NICENESS)
    assert added == [process.NICENESS]


# --- Its parent ---


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_reader_ends_with_its_parent() -> None:
    code = (
        "import io, sys\nfrom apps.documents.readers import Limits, isolated\n"
        "isolated.run('tests.documents.endless_work', io.BytesIO(b'x'), {}, limits=Limits(),"
        " on_progress=lambda share, what: print(what, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=cage.ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            reader = psutil.Process(int(parent.stdout.readline().split()[0]))
            assert reader.is_running()
        finally:
            parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE, timeout=GENEROUS_SECONDS)


ANSWERS = {
    "a length beyond all limits": '{"bytes": 1000000000000}',
    "a negative length": '{"bytes": -1}',
    "a length that is no number": '{"bytes": "many"}',
    "a share beyond the whole": '{"share": 7, "what": "x"}',
    "a share that is no number": '{"share": NaN, "what": "x"}',
    "no object": "[]",
    "no JSON": "hello",
    "bytes that are no text": "\\udcff",
    "a line that nests deeply": "[" * 50_000,
    "another object": '{"hello": 1}',
    "a codec that is no encoding": json.dumps({"readings": [{"encoding": "idna", "preview": "a"}] * 2}),
    "no such encoding": json.dumps({"readings": [{"encoding": "cp0", "preview": "a"}] * 2}),
    "one reading": json.dumps({"readings": [{"encoding": "cp850", "preview": "a"}]}),
    "many readings": json.dumps({"readings": [{"encoding": "cp850", "preview": "a"}] * 9}),
    "readings that are none": json.dumps({"readings": [1, None]}),
}


def answering(answer: str) -> tuple[str, ...]:
    """Return the command of a process that a file has taken over, and that gives this answer."""
    code = f"import sys; sys.stdout.buffer.write({answer.encode('utf-8', 'surrogateescape')!r} + b'\\n')"
    return (sys.executable, "-c", code)


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_that_makes_no_sense_is_the_files_fault(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr(isolated, "COMMAND", answering(ANSWERS[case]))
    with pytest.raises(UnreadableTextError, match="something in it breaks the program that reads it"):
        readers.read(NOVEL.read_bytes(), filename="novel.docx")


def test_a_line_without_an_end_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys\nwhile True: sys.stdout.buffer.write(b'x' * 100_000)"
    monkeypatch.setattr(isolated, "COMMAND", (sys.executable, "-c", code))
    with pytest.raises(UnreadableTextError, match="something in it breaks the program that reads it"):
        readers.read(NOVEL.read_bytes(), filename="novel.docx")


def test_lines_without_an_end_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    code = 'import sys\nwhile True: sys.stdout.write(\'{"share": 0.5, "what": ""}\\n\')'
    monkeypatch.setattr(isolated, "COMMAND", (sys.executable, "-c", code))
    said: list[str] = []
    with pytest.raises(UnreadableTextError, match="something in it breaks the program that reads it"):
        readers.read(NOVEL.read_bytes(), filename="novel.docx", on_progress=lambda share, what: said.append(what))
    assert len(said) < 2_000


def test_a_text_is_no_longer_than_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "COMMAND", answering('{"bytes": 5}\nwords and more'))
    assert readers.read(NOVEL.read_bytes(), filename="novel.docx") == "words"


def test_a_message_is_printable_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No database takes a NUL, and no answer half of a pair of surrogates."""
    message = "a\\u0000\\ud83d\\n" + "b" * 20_000
    monkeypatch.setattr(
        isolated, "COMMAND", answering(f'{{"share": 0.5, "what": "{message}"}}\n{{"refused": "{message}"}}')
    )
    said: list[str] = []
    with pytest.raises(UnreadableTextError) as raised:
        readers.read(NOVEL.read_bytes(), filename="novel.docx", on_progress=lambda share, what: said.append(what))
    assert said == [str(raised.value)] == ["a\ufffd\ufffd\ufffd" + "b" * (isolated.MESSAGE_CHARACTERS - 4)]


def test_a_preview_is_printable_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = "a\x00\u202e\nb" + "c" * 20_000
    line = json.dumps({"readings": [{"encoding": name, "preview": preview} for name in ("cp850", "mac_roman")]})
    monkeypatch.setattr(isolated, "COMMAND", answering(line))
    with pytest.raises(AmbiguousEncodingError) as raised:
        readers.read(NOVEL.read_bytes(), filename="novel.docx")
    expected = "a\ufffd\ufffd\nb" + "c" * (isolated.MESSAGE_CHARACTERS - 5)
    assert [reading.preview for reading in raised.value.readings] == [expected] * 2


@pytest.mark.usefixtures("patience")
def test_any_work_runs_in_the_cage() -> None:
    """Work is a module with a class; `reading` is one of several."""
    said: list[str] = []
    limits = Limits(seconds=1)
    with pytest.raises(UnreadableTextError, match="took more than 1 seconds"):
        isolated.run(
            "tests.documents.endless_work",
            io.BytesIO(b""),
            {},
            limits=limits,
            on_progress=lambda share, what: said.append(what),
        )
    assert said
