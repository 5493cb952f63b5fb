"""Lets workers take all waiting tasks and measures the rate."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.rig import processor
from benchmarks.rig.rig import Rig
from benchmarks.rig.system import System
from benchmarks.rig.workers import Workers, WorkersError

#: Seconds that a peer may take to finish its rows after its last task ran. AdminMiddleware leaves some for ever.
LATE_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Drained:
    """The rate and cost of tasks.

    Parameters:
      seconds: Time from the first start to the last end, or to the last start if there are no rows.
      processor_ms: User and system milliseconds of workers, Redis and database for each task.
    """

    count: int
    seconds: float
    processor_ms: float

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


class LostError(AssertionError):
    """Some tasks did not complete."""


def drain(
    rig: Rig,
    system: System,
    workers: Workers,
    *,
    count: int,
    task: str = "noop",
    arguments: Sequence[Any] = (),
    is_counted: bool = True,
) -> Drained:
    """Send tasks to frozen workers, let the workers continue and wait for the end.

    Parameters:
      is_counted: Compare the numbers of rows before and after. Not if others are deleted meanwhile.
    Raises:
      LostError: A row of ours is missing or did not complete.
    """
    done, is_ours = system.setup.done, system.setup.is_ours
    before = system.call("states") if done and is_counted else {}
    with workers.frozen(lambda: bool(system.call("is_writable"))):
        first = system.send(task, *arguments, count=count)
        pids = [*workers.pids, *rig.servers.pids()]
        used = -processor.seconds_of(pids)
    timestamps = [at for _, at, _ in workers.wait_for_marks(first, count)]
    ended = max(timestamps)
    if done:
        try:
            workers.wait_for(
                lambda: system.call("is_done", count=before.get(done, 0) + count),
                awaited=f"{system.name}: all rows are {done}",
                seconds=60 if is_ours else LATE_SECONDS,
            )
            ended = time.monotonic()
        except WorkersError:
            if is_ours:
                raise
    used += processor.seconds_of(pids)
    if done and is_counted:
        _check(rig, system, before=before, count=count)
    return Drained(count=count, seconds=ended - min(timestamps), processor_ms=used * 1000 / count)


def _check(rig: Rig, system: System, *, before: dict[str, int], count: int) -> None:
    done = system.setup.done
    wanted, found = before | {done: before.get(done, 0) + count}, system.call("states")
    if found == wanted:
        return
    text = f"{system.name}: of {count:,} tasks, the rows are {found}, wanted {wanted}"
    if system.setup.is_ours:
        raise LostError(text)
    rig.log(text)
