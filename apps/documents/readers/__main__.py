"""The process that `isolated` starts. Standard input is the file, the first argument the order as JSON."""

import json
import os
import sys
import time
import traceback
from dataclasses import asdict
from importlib import import_module
from typing import BinaryIO, NoReturn

from apps.documents.readers import cage
from apps.documents.readers.cage import process
from apps.documents.readers.errors import AmbiguousEncodingError, CageError, UnreadableTextError, in_words
from apps.documents.readers.isolated import GRACE_SECONDS, NOT_CAGED, NOT_INSTALLED
from apps.documents.readers.limits import Limits

#: Least seconds between two reports of progress.
PROGRESS_SECONDS = 0.1


def main() -> None:
    order = json.loads(sys.argv[1])
    limits = Limits(**order["limits"])
    process.limit(
        processor_seconds=limits.seconds,
        seconds=int(order["seconds"]) + GRACE_SECONDS,
        memory_bytes=limits.memory_bytes,
        parent=int(order["parent"]),
    )
    process.step_back(niceness=process.LOADING_NICENESS)
    # The output of libraries must not come between our lines.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        # Loads the libraries, which the cage would keep out.
        work = import_module(order["work"]).WORK(**order["arguments"])
        process.step_back(before=process.LOADING_NICENESS, niceness=process.NICENESS)
        _write(answers, lacks=cage.close(memory_bytes=limits.memory_bytes, required=limits.cage_required))
        content = work(os.fdopen(0, "rb"), limits, _ProgressWriter(answers))
    except ImportError:
        _leave(NOT_INSTALLED)
    except CageError:
        _leave(NOT_CAGED)
    except AmbiguousEncodingError as error:
        _write(answers, readings=[asdict(reading) for reading in error.readings])
    except UnreadableTextError as error:
        _write(answers, refused=str(error))
    except MemoryError:
        _write(
            answers,
            refused=f"The text takes more than {in_words(limits.memory_bytes)} of memory. "
            "Split it into several documents, or send it as plain text (.txt).",
        )
    else:
        _write(answers, bytes=len(content))
        answers.write(content)
        answers.flush()
    # Without clean-up, in which libraries in C may still crash.
    os._exit(0)


def _leave(code: int) -> NoReturn:
    """End the process because of the error that is handled. It is no fault of the file."""
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


class _ProgressWriter:
    """Writes the progress of the work."""

    def __init__(self, answers: BinaryIO) -> None:
        self.answers = answers
        self.written_at = 0.0

    def __call__(self, share: float, what: str) -> None:
        now = time.monotonic()
        if now - self.written_at >= PROGRESS_SECONDS:
            self.written_at = now
            _write(self.answers, share=share, what=what)


def _write(answers: BinaryIO, **line: object) -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
