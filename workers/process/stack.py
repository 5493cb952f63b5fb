"""Stacks of a thread and of a coroutine, as frames without values of variables."""

import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import apps.tasks
import workers
from apps.tasks.json_safe import json_safe
from apps.tasks.values import Frame
from workers.process.attempt import Attempt

#: Innermost frames that are kept.
LIMIT = 200
#: Characters that are kept of a line.
LINE_LENGTH = 200


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    own = {str(Path(package.__file__ or "").parent) for package in (workers, apps.tasks)}
    return tuple(folder + os.sep for folder in folders | own)


LIBRARY_FOLDERS = _library_folders()


def of_attempt(attempt: Attempt) -> list[Frame]:
    """Return the stack of a running attempt, the outermost frame first. Empty: it has just ended."""
    frames = (attempt.stack_of or partial(of_thread, attempt.thread))()
    # Its thread may have gone on to another task meanwhile.
    return frames if attempt.outcome is None else []


def of_thread(thread: threading.Thread | None) -> list[Frame]:
    """Return the stack of a thread, the outermost frame first. Empty: it does not run."""
    frame = _current_frame(thread)
    return _frames(reversed(list(traceback.walk_stack(frame)))) if frame is not None else []


def of_coroutine(coroutine: Any, thread: threading.Thread | None) -> list[Frame]:
    """Return the stack of a coroutine, the outermost frame first, and what it calls just now.

    Parameters:
      thread: Thread of the event loop.
    """
    awaited = list(_awaited(coroutine))
    if not awaited:
        return []
    calls: list[FrameType] = []
    frame = _current_frame(thread)
    while frame is not None and frame is not awaited[-1]:
        calls.append(frame)
        frame = frame.f_back
    # It waits, unless the thread is inside it.
    calls = calls[::-1] if frame is not None else []
    return _frames((found, found.f_lineno) for found in [*awaited, *calls])


def _awaited(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of all that it awaits."""
    while coroutine is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                coroutine = getattr(coroutine, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return


def _current_frame(thread: threading.Thread | None) -> FrameType | None:
    return None if thread is None else sys._current_frames().get(thread.ident or 0)


def _frames(found: Any) -> list[Frame]:
    summary = traceback.StackSummary.extract(iter(list(found)[-LIMIT:]))
    return [
        Frame(
            file=json_safe(call.filename),
            line=call.lineno or 0,
            name=json_safe(call.name),
            source=json_safe((call.line or "")[:LINE_LENGTH]),
            is_library=call.filename.startswith((*LIBRARY_FOLDERS, "<frozen ")),
        )
        for call in summary
    ]
