"""Work on a file in a process of its own, which may crash, hang or use up its memory without harm to the worker.

The process gets the file and its limits. It gets neither the settings nor the environment, where passwords are, and
works in a `cage`. Its answers are not trusted: a file may have taken it over.
"""

import json
import logging
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

from apps.documents.readers import cage, previews, slots
from apps.documents.readers.cage import ROOT
from apps.documents.readers.encodings import MAX_CANDIDATES
from apps.documents.readers.errors import (
    AmbiguousEncodingError,
    CageError,
    ReadingTimeoutError,
    UnreadableTextError,
)
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress, ignore
from apps.documents.readers.source import Source

logger = logging.getLogger(__name__)

#: Command line of the process, without the order.
COMMAND = (sys.executable, "-m", "apps.documents.readers")
#: All of its environment. A thread of numpy's would be outside of the cage.
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
#: Module whose work reads a file. `WORK(**arguments)` loads what it needs, and calling the result does the work.
READING = "apps.documents.readers.reading"

#: Time limit of a check at upload. A writer waits for it.
CHECK_SECONDS = 15
#: Time limit of a task's work, as a multiple of its processor time: other processes compute first.
PATIENCE = 3
#: Seconds that a check waits for a slot. A writer waits for it.
CHECK_WAIT_SECONDS = 5
#: Seconds that a task waits for a slot. It has 30 minutes in all.
READ_WAIT_SECONDS = 20 * 60
#: Slots of tasks for which there is a further one of checks. Long tasks must not keep writers from sending files.
TASKS_PER_CHECK = 4
WAITING = "Waiting until fewer files are being read"

#: Seconds of one wait. After each, the time limit is checked, and an exception can interrupt the thread.
TICK_SECONDS = 0.5
PIECE_BYTES = 1024 * 1024
#: Largest line of the process, in bytes.
LINE_BYTES = 64 * 1024
#: Most lines of the process, for each second of its time limit. It reports progress ten times a second.
LINES_A_SECOND = 20
#: Characters of a message of the process, to the writer or about its progress.
MESSAGE_CHARACTERS = 1_000
#: Bytes of the end of the process's error output that are logged.
ERROR_OUTPUT_BYTES = 4_000
#: Seconds after its time limit at which the process ends itself, if it was not ended.
GRACE_SECONDS = 10

#: Signals with which a file crashes the process. Any other signal came from outside.
CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)

#: Exit codes of a process that cannot load the library of its reader, and of one whose cage does not close.
NOT_INSTALLED, NOT_CAGED = 3, 4

CRASHED = (
    "The file could not be read to its end: something in it breaks the program that reads it. "
    "Open it in the program that wrote it, save it again, or as plain text (.txt), and send that."
)

#: Whether this process has logged what its cage lacks.
told = threading.Event()


class Inherited(int):
    """The descriptor of a file that can only be read, as an argument for a process that inherits it."""


class ReadingInterruptedError(Exception):
    """The process that reads was ended from outside: memory ran out, the machine is busy, or it stops. Retry."""


class ReaderNotInstalledError(Exception):
    """A library that reads such files cannot be loaded. The message is the error output; the file is not at fault."""


def read(source: Source, limits: Limits, on_progress: OnProgress, *, reader: str) -> str:
    """Return the text of a file, by the named reader.

    Raises:
      UnreadableTextError: The reader refuses it, or it took too long or too much memory, or crashed the process.
      ReadingInterruptedError: The process was ended from outside.
      ReadersBusyError: No slot became free.
      CageError: The cage is required, and does not close.
    """
    arguments = {"reader": reader, "action": "read", **source.named()}
    return run(READING, source.file, arguments, limits=limits, on_progress=on_progress).decode(errors="replace")


def check(source: Source, limits: Limits, *, reader: str) -> None:
    """Run the reader's `check`. A writer waits for it, so `read` finds the faults that take longer to find.

    Raises:
      UnreadableTextError: The reader refuses it, or it took too much memory, or crashed the process.
      ReadersBusyError: No slot became free in `CHECK_WAIT_SECONDS`.
    """
    quick = replace(limits, seconds=min(limits.seconds, CHECK_SECONDS))
    arguments = {"reader": reader, "action": "check", **source.named()}
    with suppress(ReadingTimeoutError, ReadingInterruptedError, CageError), check_slot(limits):
        _run(READING, source.file, arguments, quick, ignore, seconds=CHECK_SECONDS)


def run(work: str, file: BinaryIO, arguments: Mapping[str, Any], *, limits: Limits, on_progress: OnProgress) -> bytes:
    """Do the work of a task in a process of its own, and return what it returns.

    Parameters:
      work: Name of a module such as `READING`.
      file: The work's file. It is copied.
      arguments: Keyword arguments of the module's `WORK`, as JSON takes them. The process inherits each `Inherited`.

    Raises: As `read`.
    """
    on_wait = partial(on_progress, 0.0, WAITING)
    with slots.held("read", number=_at_once(limits), wait_seconds=READ_WAIT_SECONDS, on_wait=on_wait):
        return _run(work, file, arguments, limits, on_progress, seconds=PATIENCE * limits.seconds)


@contextmanager
def check_slot(limits: Limits) -> Iterator[None]:
    """Hold a slot of the checks.

    Raises:
      ReadersBusyError: None became free in `CHECK_WAIT_SECONDS`.
    """
    number = 1 + _at_once(limits) // TASKS_PER_CHECK
    with slots.held("check", number=number, wait_seconds=CHECK_WAIT_SECONDS):
        yield


def _at_once(limits: Limits) -> int:
    return limits.at_once or slots.count(memory_bytes=limits.memory_bytes)


def _run(
    work: str,
    file: BinaryIO,
    arguments: Mapping[str, Any],
    limits: Limits,
    on_progress: OnProgress,
    *,
    seconds: int,
) -> bytes:
    with _copied(file) as copy, tempfile.TemporaryFile() as error_output:
        order = {
            "work": work,
            "arguments": dict(arguments),
            "limits": limits.as_dict(),
            "seconds": seconds,
            "parent": os.getpid(),
        }
        process = subprocess.Popen(
            [*COMMAND, json.dumps(order)],
            stdin=copy,
            pass_fds=[value for value in arguments.values() if isinstance(value, Inherited)],
            stdout=subprocess.PIPE,
            stderr=error_output,
            cwd=ROOT,
            env={**ENVIRONMENT, "TMPDIR": tempfile.gettempdir()},  # Libraries unpack data while they are loaded.
            start_new_session=True,  # Ctrl+C is for the worker.
        )
        try:
            return _Conversation(process, limits, on_progress, seconds=seconds).result()
        except _NoAnswerError:
            raise _reason(_code(process), error_output, limits, work=work) from None
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextmanager
def _copied(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a copy of the file that has no name and that cannot be written to."""
    with tempfile.TemporaryFile() as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, PIECE_BYTES)
        copy.flush()
        copy.seek(0)  # macOS shares the place of reading.
        with open(f"/dev/fd/{copy.fileno()}", "rb") as readable:
            yield readable


class _NoAnswerError(Exception):
    """The process ended without an answer."""


class _Conversation:
    """Reads the output of the process: lines of JSON, and then the content.

    A line is one of: {"lacks": of its cage}; {"share", "what"}; {"refused": the message}; {"readings": of a text whose
    encoding the writer chooses}; {"bytes": the length of the content that follows}.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", limits: Limits, on_progress: OnProgress, *, seconds: int
    ) -> None:
        assert process.stdout is not None
        self.fd = process.stdout.fileno()
        self.limits = limits
        self.on_progress = on_progress
        self.seconds = seconds
        self.until = time.monotonic() + seconds
        self.received = bytearray()

    def result(self) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self.fd, selectors.EVENT_READ)
            for _ in range(LINES_A_SECOND * max(1, self.seconds)):
                match self._line(selector):
                    case {"refused": str(message)}:
                        raise UnreadableTextError(_printable(message))
                    case {"readings": [*found]} if 1 < len(found) <= MAX_CANDIDATES:
                        raise AmbiguousEncodingError([_reading(entry) for entry in found])
                    case {"bytes": int(size_bytes)} if 0 <= size_bytes <= self.limits.text_bytes:
                        return self._content(selector, size_bytes)
                    case {"share": int(share) | float(share), "what": str(what)} if 0 <= share <= 1:
                        self.on_progress(share, _printable(what))
                    case {"lacks": list(lacks)}:
                        _tell(lacks)
                    case line:
                        raise _senseless(str(line))
        raise _senseless("lines without an end")

    def _line(self, selector: selectors.BaseSelector) -> object:
        while (end := self.received.find(b"\n")) < 0:
            if len(self.received) > LINE_BYTES:
                raise _senseless("a line without an end")
            self.received += self._receive(selector)
        line = bytes(self.received[:end])
        del self.received[: end + 1]
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise _senseless(repr(line)) from None

    def _content(self, selector: selectors.BaseSelector, size_bytes: int) -> bytes:
        while len(self.received) < size_bytes:
            self.received += self._receive(selector)
        content = bytes(self.received[:size_bytes])
        self.received.clear()
        return content

    def _receive(self, selector: selectors.BaseSelector) -> bytes:
        while time.monotonic() < self.until:
            if selector.select(TICK_SECONDS):
                piece = os.read(self.fd, PIECE_BYTES)
                if not piece:
                    raise _NoAnswerError
                return piece
        raise ReadingInterruptedError(f"The process that reads was not done in {self.seconds:,} seconds.")


def _printable(message: str) -> str:
    """Return a message as pages and databases take it: cut at the limit, without NULs and halves of pairs."""
    return previews.printable(message[:MESSAGE_CHARACTERS])


def _reading(entry: object) -> previews.Reading:
    match entry:
        case {"encoding": str(encoding), "preview": str(preview)} if previews.is_encoding(encoding):
            lines = map(previews.printable, preview[:MESSAGE_CHARACTERS].split("\n"))
            return previews.Reading(encoding=encoding, preview="\n".join(lines))
    raise _senseless(str(entry))


def _senseless(answer: str) -> UnreadableTextError:
    logger.warning("reader gave an answer that makes no sense answer=%.200s", answer)
    return UnreadableTextError(CRASHED)


def _tell(lacks: list[object]) -> None:
    """Log what the cage lacks, once in this process."""
    if lacks and not told.is_set():
        told.set()
        logger.warning("reader works in an incomplete cage lacks=%.1000s", "; ".join(map(str, lacks)))


def _code(process: "subprocess.Popen[bytes]") -> int:
    """Return the exit code of a process that closed its output."""
    try:
        return process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _reason(code: int, error_output: BinaryIO, limits: Limits, *, work: str) -> Exception:
    """Return the error that explains the end of the process: the file's fault, or another cause."""
    error_output.seek(max(0, error_output.seek(0, os.SEEK_END) - ERROR_OUTPUT_BYTES))
    output = error_output.read().decode(errors="replace").strip()
    logger.warning("reader ended without an answer work=%s code=%s output=%r", work, code, output)
    if code == NOT_INSTALLED:
        return ReaderNotInstalledError(output)
    if code == NOT_CAGED:
        return CageError(cage.missing() or [output])
    if code == -signal.SIGXCPU:
        return ReadingTimeoutError(seconds=limits.seconds)
    if code < 0 and -code not in CRASHES:
        return ReadingInterruptedError(f"The process that reads was ended by {signal.Signals(-code).name}.")
    return UnreadableTextError(CRASHED)
