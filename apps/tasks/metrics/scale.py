"""The number of worker processes that the waiting work wants, for autoscalers."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from apps.tasks.conf import conf
from apps.tasks.metrics.backlog import Backlog
from apps.tasks.metrics.recent import Recent
from apps.tasks.models import WorkerProcess
from apps.tasks.pauses import Paused
from apps.tasks.presence import taken_by

#: Seconds that a task of an actor counts that was not measured.
UNMEASURED_SECONDS = 1.0
#: Part of a thread that is an error of rounding.
ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An answer.

    Parameters:
      workers: Worker processes that are wanted.
      reason: The same in a sentence, with its grounds.
      waiting: Due tasks that wait for a worker process. A lower bound if very many wait.
      in_line: Due tasks that wait for a place of their limit. More processes would not start them.
      paused: Due tasks of paused queues and actors. No process starts them.
      held: Tasks that worker processes hold.
      oldest_seconds: Seconds for which the oldest waiting task has waited.
      work_seconds: Run time of the waiting tasks, as their actors were measured.
      threads: Threads that are wanted.
      threads_per_process: Threads of a worker process.
      target_wait_seconds: Seconds within which the waiting tasks are to start.
    """

    workers: int
    reason: str
    waiting: int
    in_line: int
    paused: int
    held: int
    oldest_seconds: float
    work_seconds: float
    threads: float
    threads_per_process: float
    target_wait_seconds: int


def wanted(
    backlog: Backlog,
    recent: Recent,
    processes: Iterable[WorkerProcess],
    *,
    known: Collection[str],
    queues: Collection[str] | None = None,
    paused: Paused | None = None,
) -> Scale:
    """Return the worker processes that are wanted. A paused queue or actor wants none.

    Threads are added up: those that keep up with what runs, and those that start within the target what waits.

    Parameters:
      processes: Living processes of all kinds.
      known: Queues that this code declares.
      queues: Count for these queues only, as for workers with `--queues`. None: for all.
    """
    target = max(1, conf.SCALE_WAIT_SECONDS)
    run_seconds = recent.run_seconds

    def takes(queue_name: str) -> bool:
        return queues is None or queue_name in queues

    def share(task_name: str) -> float:
        """Return the part of a thread that starts one task within the target. No task needs more than one."""
        return min(1.0, run_seconds.get(task_name, UNMEASURED_SECONDS) / target)

    def is_paused(queue_name: str, task_name: str) -> bool:
        return paused is not None and paused.of(queue_name=queue_name, task_name=task_name) is not None

    all_due = [group for group in backlog.waiting if group.is_due and takes(group.queue_name)]
    due = [group for group in all_due if not is_paused(group.queue_name, group.task_name)]
    number_paused = sum(group.number for group in all_due) - sum(group.number for group in due)
    waiting = [group for group in due if not group.in_line]
    held = [group for group in backlog.held if takes(group.queue_name)]
    load = sum(
        pace.started / recent.seconds * run_seconds.get(pace.task_name, UNMEASURED_SECONDS)
        for pace in recent.paces
        if takes(pace.queue_name) and not is_paused(pace.queue_name, pace.task_name)
    )
    drain = sum(group.number * share(group.task_name) for group in waiting)
    keep_up = max(load, sum(group.number * share(group.task_name) for group in held))
    number, held_number = (sum(group.number for group in groups) for groups in (waiting, held))
    in_line = sum(group.number for group in due if group.in_line)
    per_process = _threads_per_process(processes, queues=queues, known=known)
    is_needed = bool(number or held_number or load)
    threads = keep_up + drain if is_needed else 0.0
    workers = max(1, math.ceil(threads / per_process - ROUNDING)) if is_needed else 0
    work_seconds = sum(group.number * run_seconds.get(group.task_name, UNMEASURED_SECONDS) for group in waiting)
    unmeasured = {group.task_name for group in waiting} - run_seconds.keys()
    sentences = []
    if is_needed:
        at_least = "at least " if backlog.is_truncated else ""
        sentences += [
            f"{_counted(workers, 'worker process', 'worker processes')} of {per_process:g} threads: "
            f"{at_least}{_counted(number, 'waiting task', 'waiting tasks')} with {work_seconds:,.1f} s of work start "
            f"within {target} s on {drain:,.1f} threads, and {keep_up:,.1f} threads keep up with the tasks that run."
        ]
    else:
        sentences += [f"No task waits or runs, and none did within {recent.seconds:,.0f} s."]
    if unmeasured:
        actors = _counted(len(unmeasured), "actor", "actors")
        sentences += [f"Run times of {actors} are not known and count as {UNMEASURED_SECONDS:g} s."]
    if in_line:
        waits = _counted(in_line, "more task waits", "more tasks wait")
        sentences += [f"{waits} for a place of a limit, which no worker process gives."]
    if number_paused:
        waits = _counted(number_paused, "more task waits", "more tasks wait")
        sentences += [f"{waits} for the end of a pause."]
    return Scale(
        workers=workers,
        reason=" ".join(sentences),
        waiting=number,
        in_line=in_line,
        paused=number_paused,
        held=held_number,
        oldest_seconds=round(max((group.oldest_seconds for group in waiting), default=0.0), 3),
        work_seconds=round(work_seconds, 3),
        threads=round(threads, 3),
        threads_per_process=per_process,
        target_wait_seconds=target,
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _threads_per_process(
    processes: Iterable[WorkerProcess], *, queues: Collection[str] | None, known: Collection[str]
) -> float:
    """Return the mean of the living workers that take from the queues, or the setting if there are none."""
    threads = [
        process.threads
        for process in processes
        if process.kind == WorkerProcess.KIND_WORKER
        and (queues is None or taken_by([process], known).intersection(queues))
    ]
    # A worker of another version, or a setting, may say 0.
    return max(1.0, round(sum(threads) / len(threads), 3) if threads else float(conf.WORKER_THREADS))
