"""Reads a file in a process of its own, which may crash, hang or eat its memory without harm to the worker.

The process knows nothing but the file: neither the settings nor the environment, where passwords are.
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
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from apps.documents.readers.errors import ReadingTimeoutError, UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress, ignore
from apps.documents.readers.source import Source

logger = logging.getLogger(__name__)

#: Where `apps` is.
ROOT = Path(__file__).resolve().parents[3]
#: What reads; the order is added.
COMMAND = (sys.executable, "-m", "apps.documents.readers")
#: A check of a file that was just sent in takes no longer.
CHECK_SECONDS = 15
#: How often we look whether time is up, or whether we are wanted elsewhere.
TICK_SECONDS = 0.5
PIECE_BYTES = 1024 * 1024
#: So much of what the process said at its end goes to the log.
LAST_WORDS_BYTES = 4_000
#: The process ends itself so long after we should have ended it.
GRACE_SECONDS = 10

#: How a process ends that is broken by what it reads. Any other signal came from outside.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP})

#: The exit code of a process that cannot load what it reads with.
NOT_INSTALLED = 3

BROKE_OFF = (
    "The file could not be read to its end: something in it breaks the program that reads it. "
    "Open it in the program that wrote it, save it again, or as plain text (.txt), and send that."
)


class ReadingInterruptedError(Exception):
    """The process that reads was ended from outside, as happens when memory runs out or a machine stops: try again."""


class ReaderNotInstalledError(Exception):
    """A library that reads such files cannot be loaded: no fault of the file. The message has what was said."""


def read(source: Source, limits: Limits, on_progress: OnProgress, *, reader: str) -> str:
    """The text of a file, by the named reader.

    Raises:
      UnreadableTextError: As the reader says, or: it took too long or too much memory, or broke the process.
      ReadingInterruptedError: The process was ended from outside.
    """
    return _run("read", source, limits, on_progress, reader=reader).decode()


def check(source: Source, limits: Limits, *, reader: str) -> None:
    """As the reader's `check`; somebody waits for it, so what takes longer is left to be found by `read`.

    Raises:
      UnreadableTextError: As the reader says, or: it took too much memory, or broke the process.
    """
    quick = replace(limits, seconds=min(limits.seconds, CHECK_SECONDS))
    with suppress(ReadingTimeoutError, ReadingInterruptedError):
        _run("check", source, quick, ignore, reader=reader)


def _run(verb: str, source: Source, limits: Limits, on_progress: OnProgress, *, reader: str) -> bytes:
    with tempfile.TemporaryFile() as copy, tempfile.TemporaryFile() as last_words:
        source.file.seek(0)
        shutil.copyfileobj(source.file, copy, PIECE_BYTES)
        copy.flush()
        copy.seek(0)
        order = {"verb": verb, "reader": reader, "filename": source.filename, "limits": limits.as_dict()}
        process = subprocess.Popen(
            [*COMMAND, json.dumps(order)],
            stdin=copy,
            stdout=subprocess.PIPE,
            stderr=last_words,
            cwd=ROOT,
            env=_environment(),
            start_new_session=True,  # Ctrl+C is for us.
        )
        try:
            assert process.stdout is not None
            return _Conversation(process, limits, on_progress).result()
        except _NoAnswerError:
            raise _reason(process.wait(), last_words, reader=reader) from None
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
    """What the process says: lines of JSON, and at last the text.

    A line is one of: {"share", "what"}; {"refused": the sentence}; {"bytes": the length of the text that follows}.
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


def _reason(code: int, last_words: BinaryIO, *, reader: str) -> Exception:
    """Why the process ended: the file's fault, or somebody else's."""
    last_words.seek(max(0, last_words.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
    said = last_words.read().decode(errors="replace").strip()
    logger.warning("reader broke off reader=%s code=%s said=%r", reader, code, said)
    if code == NOT_INSTALLED:
        return ReaderNotInstalledError(said)
    if code < 0 and -code not in CRASHES:
        return ReadingInterruptedError(f"The process that reads was ended by {signal.Signals(-code).name}.")
    return UnreadableTextError(BROKE_OFF)
