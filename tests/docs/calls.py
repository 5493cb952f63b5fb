"""Record the calls of functions of the task system, by thread and in order."""

import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from django.db import connection

PREFIXES = ("workers.", "apps.tasks.", "dramatiq.worker", "dramatiq.asyncio")


@dataclass(frozen=True)
class Call:
    """A call of a function, or a statement of the database.

    Parameters:
      thread: Kind of the thread, as `kind_of` names it.
      module: Module of the function. `database` for a statement.
      name: Qualified name of the function, or the statement's first word.
      code: Code of the function. None: a statement.
      callers: Modules of the callers that belong to the task system, the nearest first.
    """

    thread: str
    module: str
    name: str
    code: CodeType | None
    callers: tuple[str, ...]


def kind_of(thread: threading.Thread) -> str:
    """Return the name of a thread, or of its class if it has no name of its own."""
    return type(thread).__name__ if re.match(r"Thread-\d+", thread.name) else thread.name


class Calls:
    """Records while it is entered: the thread that enters it and threads that start meanwhile.

    Statements are recorded for the entering thread's connection alone.
    """

    def __init__(self) -> None:
        self.seen: list[Call] = []
        self._is_active = False

    def __enter__(self) -> "Calls":
        self._is_active = True
        self._statements = connection.execute_wrapper(self._note_statement)
        self._statements.__enter__()
        threading.setprofile(self._note_call)
        sys.setprofile(self._note_call)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
        self._statements.__exit__(*error)
        self._is_active = False

    def _note_call(self, frame: FrameType, event: str, argument: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and self._is_active and module.startswith(PREFIXES):
            self._add(module, frame.f_code.co_qualname, frame.f_code, tuple(_callers(frame.f_back)))

    def _note_statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._add("database", sql.split()[0], None, tuple(_callers(sys._getframe())))
        return execute(sql, params, many, context)

    def _add(self, module: str, name: str, code: CodeType | None, callers: tuple[str, ...]) -> None:
        self.seen.append(Call(kind_of(threading.current_thread()), module, name, code, callers))


def _callers(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(PREFIXES):
            yield module
        frame = frame.f_back
