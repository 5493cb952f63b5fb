"""A process that sends: one for each system, so that each has its own settings, broker and database.

    python -m benchmarks.rig.driver benchmarks.systems.aiwriting

It reads calls from its standard input, a JSON object a line, and writes the answers to its standard output.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from aiWriting.environment import BASE_DIR
from workers.supervision.watchdog import Watchdog, kill_group


class DriverError(Exception):
    """A call of a driver failed. The text is the driver's traceback."""


class Driver:
    """The benchmark's side of a driver.

    Parameters:
      module: One of `benchmarks.systems`.
      log: File for output that is no answer.
    """

    def __init__(self, module: str, *, env: dict[str, str], log: Path, watchdog: Watchdog) -> None:
        self.module, self.watchdog, self.log = module, watchdog, log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.rig.driver", module],
                env=env,
                cwd=BASE_DIR,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        watchdog.hold(self._process.pid, stop_signal=signal.SIGTERM, stop_order=0, grace_seconds=5)

    def call(self, name: str, **arguments: Any) -> Any:
        """Call a method of `Calls` and return its result.

        Raises:
          DriverError: The method failed.
        """
        self.ask(name, **arguments)
        return self.answer()

    def ask(self, name: str, **arguments: Any) -> None:
        """Call a method without waiting for its result. `answer` must follow before the next call."""
        assert self._process.stdin is not None
        self._asked = name
        # A driver that ended: `answer` raises the error.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"name": name, "arguments": arguments}) + "\n")
            self._process.stdin.flush()

    def answer(self) -> Any:
        """Return the result of the call."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise DriverError(f"{self.module} ended:\n{self.log.read_text(errors='replace')}")
        answer = json.loads(line)
        if "error" in answer:
            raise DriverError(f"{self.module}: {self._asked} failed:\n{answer['error']}")
        return answer["value"]

    def end(self) -> None:
        kill_group(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.watchdog.release(self._process.pid)


class Calls:
    """The driver's side: the calls that it answers.

    Parameters:
      system: A module with `send(task, number, *arguments)`. It may also have `send_many`, `send_in_transaction`,
        `prepare`, `states`, `clear`, `fill`, `is_writable`, `process_manuscript`, `manuscript`, `make_schedules`,
        `let_slots_come`, `delays_ms`, `admission_ms` and `cancel_ms`.
    """

    def __init__(self, system: Any) -> None:
        self.system = system

    def prepare(self) -> None:
        """Make the tables."""
        if hasattr(self.system, "prepare"):
            self.system.prepare()

    def enqueue(self, task: str, first: int, count: int, arguments: Sequence[Any] = ()) -> float:
        """Send tasks in the fastest way, numbered from `first`. Return the seconds that it took."""
        began = time.monotonic()
        numbers = range(first, first + count)
        if hasattr(self.system, "send_many"):
            self.system.send_many(task, numbers, *arguments)
        else:
            for number in numbers:
                self.system.send(task, number, *arguments)
        return time.monotonic() - began

    def admission_ms(self, waiting: int, keys: int) -> float:
        """Return the milliseconds in which a limited task is given its place while others wait."""
        return float(self.system.admission_ms(waiting, keys))

    def cancel_ms(self, task: str, first: int, count: int) -> list[float]:
        """Send tasks one by one and cancel each while it runs. Return the milliseconds that each took to end."""
        return [self.system.cancel_ms(task, number) for number in range(first, first + count)]

    def send_one_by_one(self, first: int, count: int) -> float:
        """Send no-op tasks outside a transaction. Return the seconds that it took."""
        send = self.system.send
        began = time.monotonic()
        for number in range(first, first + count):
            send("noop", number)
        return time.monotonic() - began

    def send_steadily(
        self, first: int, count: int, every_seconds: float, lead_seconds: float = 0, task: str = "noop"
    ) -> list[float]:
        """Send no-op tasks at a steady rate. Return the monotonic second before each send."""
        began, timestamps = time.monotonic() + lead_seconds, []
        for step in range(count):
            time.sleep(max(began + step * every_seconds - time.monotonic(), 0))
            timestamps.append(time.monotonic())
            self.system.send(task, first + step)
        return timestamps

    def in_transaction(self, first: int, count: int) -> float:
        """Return the milliseconds that a send adds to a transaction of one INSERT: the difference of two medians.

        Transactions with and without a send take turns.
        """
        from benchmarks.systems.django_project import ensure_notes

        ensure_notes()
        from django.db import transaction

        from benchmarks.notes.models import Note

        without, with_send = [], []
        for number in range(first, first + count):
            began = time.perf_counter()
            with transaction.atomic():
                Note.objects.create(text="without")
            between = time.perf_counter()
            with transaction.atomic():
                Note.objects.create(text="with")
                self.system.send_in_transaction("noop", number)
            without.append(between - began)
            with_send.append(time.perf_counter() - between)
        return (median(with_send) - median(without)) * 1000

    def states(self) -> dict[str, int]:
        """Return the number of rows by state."""
        return dict(self.system.states())

    def is_done(self, count: int) -> bool:
        """Return whether this number of rows have completed and no row is unfinished."""
        return bool(self.system.is_done(count))

    def clear(self) -> None:
        """Delete all rows."""
        if hasattr(self.system, "clear"):
            self.system.clear()

    def fill(self, count: int) -> None:
        """Add this number of copies of a finished row."""
        self.system.fill(count)

    def old_tasks(self, function: str, **arguments: Any) -> Any:
        """Call a function of `benchmarks.systems.old_tasks`."""
        return getattr(import_module("benchmarks.systems.old_tasks"), function)(**arguments)

    def at_scale(self, function: str, **arguments: Any) -> Any:
        """Call a function of `benchmarks.systems.scale`."""
        return getattr(import_module("benchmarks.systems.scale"), function)(**arguments)

    def list_ms(self, count: int) -> dict[str, float]:
        """Return the milliseconds of each view of the list, of a table with this number of tasks."""
        found: dict[str, float] = import_module("benchmarks.systems.task_list").list_ms(count)
        return found

    def dashboard_session(self, count: int) -> dict[str, str]:
        """Make a table of this number of tasks. Return the path and the cookie of an open page of the dashboard."""
        found: dict[str, str] = import_module("benchmarks.systems.dashboard").session(count)
        return found

    def dashboard(self, times: int) -> dict[str, float]:
        """Return the milliseconds, the statements and the bytes of the dashboard."""
        found: dict[str, float] = import_module("benchmarks.systems.dashboard").measured(times)
        return found

    def beat(self) -> None:
        """Let the processes that the dashboard shows beat."""
        import_module("benchmarks.systems.dashboard").beat()

    def writer(self, username: str) -> dict[str, str]:
        """Make a user with a project. Return a new token and the project's id."""
        found: dict[str, str] = import_module("benchmarks.systems.writers").writer(username)
        return found

    def send_waits_ms(self, first: int, count: int, every_seconds: float) -> list[float]:
        """Send no-op tasks at a steady rate. Return the milliseconds that each send took."""
        began, waits = time.monotonic(), []
        for step in range(count):
            time.sleep(max(began + step * every_seconds - time.monotonic(), 0))
            sent = time.monotonic()
            self.system.send("noop", first + step)
            waits.append((time.monotonic() - sent) * 1000)
        return waits

    def process_manuscript(self, path: str) -> str:
        """Store a file as a document and send the task that processes it. Return the task's id."""
        return str(self.system.process_manuscript(Path(path)))

    def manuscript(self, task_id: str) -> dict[str, Any] | None:
        """Return seconds, words and chapters, or the error, of that task. None: it has not ended."""
        found: dict[str, Any] | None = self.system.manuscript(task_id)
        return found

    def make_schedules(self, count: int) -> None:
        """Delete all schedules and make this number of schedules without a slot for a long time."""
        self.system.make_schedules(count)

    def is_scheduling(self) -> bool:
        """Return whether a scheduler has started since the schedules were made."""
        return bool(self.system.is_scheduling())

    def let_slots_come(self, count: int, lead_seconds: float, seconds: float) -> None:
        """Give this number of schedules one slot each, evenly over `seconds` and after the lead."""
        self.system.let_slots_come(count, lead_seconds, seconds)

    def delays_ms(self, count: int) -> list[float] | None:
        """Return the milliseconds from each slot to its task's row. None: there are fewer than `count` yet."""
        found: list[float] | None = self.system.delays_ms(count)
        return found

    def is_writable(self) -> bool:
        """Return whether no frozen worker holds a lock on the database."""
        return not hasattr(self.system, "is_writable") or bool(self.system.is_writable())


def main(module: str) -> None:
    # Output of libraries goes to the log, not between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    calls = Calls(import_module(module))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": getattr(calls, request["name"])(**request["arguments"])}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
