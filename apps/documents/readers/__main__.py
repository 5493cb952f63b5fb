"""The process in which `isolated` reads a file. Standard input is the file, the first argument the order as JSON."""

import json
import logging
import os
import resource
import signal
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from apps.documents.readers.errors import TextTooLargeError, UnreadableTextError, in_words
from apps.documents.readers.isolated import GRACE_SECONDS, NOT_INSTALLED
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress
from apps.documents.readers.source import Source

#: Least seconds between two reports of progress.
PROGRESS_SECONDS = 0.1


def main() -> None:
    order = json.loads(sys.argv[1])
    limits = Limits(**order["limits"])
    _limit(limits)
    # The output of libraries must not come between our lines.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        content = _do(order, limits, _ProgressWriter(answers))
    except ImportError:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(NOT_INSTALLED)
    except UnreadableTextError as error:
        _write(answers, refused=str(error))
    except MemoryError:
        _write(
            answers,
            refused=f"Reading the file takes more than {in_words(limits.memory_bytes)} of memory. "
            "Split it into several documents, or send it as plain text (.txt).",
        )
    else:
        _send(answers, content, limits)
    # Without clean-up, in which libraries in C may still crash.
    os._exit(0)


def _do(order: dict[str, Any], limits: Limits, on_progress: OnProgress) -> bytes:
    if "work" in order:
        done: bytes = import_module(order["work"]).WORK(**order["arguments"])(os.fdopen(0, "rb"), limits, on_progress)
        return done
    reader = import_module(f"apps.documents.readers.{order['reader']}")
    source = Source(os.fdopen(0, "rb"), filename=order["filename"], encoding=order["encoding"])
    if order["action"] == "check":
        reader.check(source, limits)
        return b""
    text: str = reader.read(source, limits, on_progress)
    return text.encode(errors="replace")


def _limit(limits: Limits) -> None:
    """Limit memory and time of the process, and let it outlive the SIGTERM with which a machine stops."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The process that started us may be gone and cannot end us then.
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + GRACE_SECONDS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    logging.disable()


class _ProgressWriter:
    """Writes the progress of reading."""

    def __init__(self, answers: BinaryIO) -> None:
        self.answers = answers
        self.written_at = 0.0

    def __call__(self, share: float, what: str) -> None:
        now = time.monotonic()
        if now - self.written_at >= PROGRESS_SECONDS:
            self.written_at = now
            _write(self.answers, share=share, what=what)


def _send(answers: BinaryIO, content: bytes, limits: Limits) -> None:
    """Send the text, unless it is larger than a plain text may be. The analysis takes as long as the text is large."""
    if len(content) > limits.text_bytes:
        _write(answers, refused=str(TextTooLargeError(size_bytes=len(content), limit_bytes=limits.text_bytes)))
        return
    _write(answers, bytes=len(content))
    answers.write(content)
    answers.flush()


def _write(answers: BinaryIO, **line: object) -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
