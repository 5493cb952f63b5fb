"""Read a file in a process of its own, which may crash, hang or use up its memory without harm to the worker.

The process gets the file and its limits. It gets neither the settings nor the environment, where passwords are.
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
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from apps.documents.readers.errors import ReadingTimeoutError, UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress, ignore
from apps.documents.readers.source import Source

logger = logging.getLogger(__name__)

#: Folder that holds `apps`.
ROOT = Path(__file__).resolve().parents[3]
#: Command line of the process, without the order.
COMMAND = (sys.executable, "-m", "apps.documents.readers")
#: Time limit of a check at upload.
CHECK_SECONDS = 15
#: Seconds of one wait. After each, the time limit is checked, and an exception can interrupt the thread.
TICK_SECONDS = 0.5
PIECE_BYTES = 1024 * 1024
#: Bytes of the end of the process's error output that are logged.
ERROR_OUTPUT_BYTES = 4_000
#: Seconds after its time limit at which the process ends itself, if it was not ended.
GRACE_SECONDS = 10

#: Signals with which a file crashes the process. Any other signal came from outside.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP})

#: Exit code of a process that cannot load the library of its reader.
NOT_INSTALLED = 3

CRASHED = (
    "The file could not be read to its end: something in it breaks the program that reads it. "
    "Open it in the program that wrote it, save it again, or as plain text (.txt), and send that."
)


class ReadingInterruptedError(Exception):
    """The process that reads was ended from outside: memory ran out, or the machine stops. Retry."""


class ReaderNotInstalledError(Exception):
    """A library that reads such files cannot be loaded. The message is the error output; the file is not at fault."""


def read(source: Source, limits: Limits, on_progress: OnProgress, *, reader: str) -> str:
    """Return the text of a file, by the named reader.

    Raises:
      UnreadableTextError: The reader refuses it, or it took too long or too much memory, or crashed the process.
      ReadingInterruptedError: The process was ended from outside.
    """
    order = {"action": "read", "reader": reader, "limits": limits.as_dict(), **source.named()}
    return _run(order, source.file, limits, on_progress).decode()


def check(source: Source, limits: Limits, *, reader: str) -> None:
    """Run the reader's `check`. A writer waits for it, so `read` finds the faults that take longer to find.

    Raises:
      UnreadableTextError: The reader refuses it, or it took too much memory, or crashed the process.
    """
    quick = replace(limits, seconds=min(limits.seconds, CHECK_SECONDS))
    order = {"action": "check", "reader": reader, "limits": quick.as_dict(), **source.named()}
    with suppress(ReadingTimeoutError, ReadingInterruptedError):
        _run(order, source.file, quick, ignore)


def run(work: str, file: BinaryIO, arguments: Mapping[str, Any], *, limits: Limits, on_progress: OnProgress) -> bytes:
    """Do a work in a process of its own, and return what it returns.

    Parameters:
      work: Name of a module. Its `WORK(**arguments)` loads what it needs, and calling the result does the work.
      file: The work's file. It is copied.
      arguments: As JSON takes them.

    Raises: As `read`.
    """
    order = {"work": work, "arguments": dict(arguments), "limits": limits.as_dict()}
    return _run(order, file, limits, on_progress)


def _run(order: Mapping[str, Any], file: BinaryIO, limits: Limits, on_progress: OnProgress) -> bytes:
    with tempfile.TemporaryFile() as copy, tempfile.TemporaryFile() as error_output:
        file.seek(0)
        shutil.copyfileobj(file, copy, PIECE_BYTES)
        copy.flush()
        copy.seek(0)
        process = subprocess.Popen(
            [*COMMAND, json.dumps(order)],
            stdin=copy,
            stdout=subprocess.PIPE,
            stderr=error_output,
            cwd=ROOT,
            env=_environment(),
            start_new_session=True,  # Ctrl+C is for the worker.
        )
        try:
            assert process.stdout is not None
            return _Conversation(process, limits, on_progress).result()
        except _NoAnswerError:
            raise _reason(process.wait(), error_output, work=order.get("reader") or order["work"]) from None
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


class _NoAnswerError(Exception):
    """The process ended without an answer."""


class _Conversation:
    """Reads the output of the process: lines of JSON, and then the text.

    A line is one of: {"share", "what"}; {"refused": the message}; {"bytes": the length of the text that follows}.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", limits: Limits, on_progress: OnProgress) -> None:
        assert process.stdout is not None
        self.fd = process.stdout.fileno()
        self.limits = limits
        self.on_progress = on_progress
        self.until = time.monotonic() + limits.seconds
        self.received = bytearray()

    def result(self) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self.fd, selectors.EVENT_READ)
            while True:
                line = self._line(selector)
                if "refused" in line:
                    raise UnreadableTextError(str(line["refused"]))
                if "bytes" in line:
                    return self._content(selector, int(line["bytes"]))
                self.on_progress(float(line["share"]), str(line["what"]))

    def _line(self, selector: selectors.BaseSelector) -> dict[str, Any]:
        while (end := self.received.find(b"\n")) < 0:
            self.received += self._receive(selector)
        line = bytes(self.received[:end])
        del self.received[: end + 1]
        return dict(json.loads(line))

    def _content(self, selector: selectors.BaseSelector, size_bytes: int) -> bytes:
        while len(self.received) < size_bytes:
            self.received += self._receive(selector)
        content = bytes(self.received)
        self.received.clear()
        return content

    def _receive(self, selector: selectors.BaseSelector) -> bytes:
        while time.monotonic() < self.until:
            if selector.select(TICK_SECONDS):
                piece = os.read(self.fd, PIECE_BYTES)
                if not piece:
                    raise _NoAnswerError
                return piece
        raise ReadingTimeoutError(seconds=self.limits.seconds)


def _reason(code: int, error_output: BinaryIO, *, work: str) -> Exception:
    """Return the error that explains the end of the process: the file's fault, or another cause."""
    error_output.seek(max(0, error_output.seek(0, os.SEEK_END) - ERROR_OUTPUT_BYTES))
    output = error_output.read().decode(errors="replace").strip()
    logger.warning("reader ended without an answer work=%s code=%s output=%r", work, code, output)
    if code == NOT_INSTALLED:
        return ReaderNotInstalledError(output)
    if code < 0 and -code not in CRASHES:
        return ReadingInterruptedError(f"The process that reads was ended by {signal.Signals(-code).name}.")
    return UnreadableTextError(CRASHED)
