"""Values that go into the ledger: a send, a claim, a report, an outcome. None can be changed.

Those that every task needs are named tuples: a frozen dataclass takes five times as long to make.
"""

import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from apps.tasks.states import Move

#: Option of a message that belongs to a group: the key of its innermost group.
GROUP_KEY = "group_key"
#: Option of a message that has the id of the task with which it is cancelled.
PARENT_OPTION = "parent"
#: Option of a task's row that holds the key of its send.
KEY_OPTION = "unique"
#: Option of a message that has the id of the request that it goes back to.
REQUEST_OPTION = "request_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unique:
    """Key of a send, and the time for which its task stands for further sends of the key. Those become no tasks.

    Parameters:
      key: At most 255 characters.
      while_pending: Only until a worker claims it. Otherwise until it ends.
      throttle_ms: Instead, for that many milliseconds after its send, whatever becomes of it.
      debounce_ms: With `while_pending`, a further send replaces the arguments of the waiting task and starts its wait
        of that many milliseconds anew.
      debounce_max_ms: Milliseconds after the first send to which further sends can postpone it.
    """

    key: str
    while_pending: bool = False
    throttle_ms: int | None = None
    debounce_ms: int | None = None
    debounce_max_ms: int = 0


class Send(NamedTuple):
    """A message to record.

    Parameters:
      task_id: Dramatiq's message id.
      args, kwargs: JSON texts of a list and an object, as `COMPACT` writes them. The row and Redis get them unchanged.
      options: JSON-safe values.
      delay_ms: Milliseconds before it may run.
      max_age_ms: Milliseconds after `run_at` in which it may still start. None: no limit.
      owner_id: Primary key of the user who may see the task besides staff.
      line: Key of its actor's limit, in whose line it waits. None: the actor has no limit.
      weight: Places of the limit that it takes.
      unique: Its key. None: it becomes a task whatever else was sent.
    """

    task_id: str
    task_name: str
    queue_name: str
    args: str = "[]"
    kwargs: str = "{}"
    related_object_type: str = ""
    related_object_id: int | None = None
    priority: int = 0
    options: dict[str, Any] = {}
    delay_ms: int = 0
    max_age_ms: int | None = None
    owner_id: Any = None
    line: str | None = None
    weight: int = 1
    unique: Unique | None = None
    parent_id: str | None = None


class Held(NamedTuple):
    """A claimed task as its row says: all that its worker runs.

    Parameters:
      args, kwargs, options: JSON texts, as they were written.
      sent_ms: Time of the send, in milliseconds since 1970.
      line: Key of its actor's limit. None: it has none.
      traceback: Of the last error. Empty: there was none.
    """

    task_id: str
    row_id: int
    owner_id: Any
    task_name: str
    queue_name: str
    args: str
    kwargs: str
    options: str
    retries: int
    sent_ms: float
    line: str | None = None
    traceback: str = ""


class Claim(NamedTuple):
    """Proof that one attempt of a task is held. `finish` checks it."""

    task_id: str
    row_id: int
    attempt: int
    claim_id: uuid.UUID
    worker_id: uuid.UUID

    @property
    def key(self) -> tuple[int, int, uuid.UUID]:
        """Row id, attempt and claim id. They separate two attempts of one row, also in the same process."""
        return self.row_id, self.attempt, self.claim_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Progress of a held attempt.

    Parameters:
      percent: 0 to 100.
      ran_ms: Milliseconds since its start.
    """

    claim: Claim
    percent: int
    text: str
    ran_ms: float


class Outcome(NamedTuple):
    """The end of a held attempt.

    Parameters:
      move: COMPLETE, FAIL, RETRY, SNOOZE, RELEASE or CANCEL_CLAIMED of `apps.tasks.states`.
      task_name: Name of the actor, of which the cause of a failure is made.
      ran_ms: Milliseconds that the actor ran. None: it was not started.
      delay_ms: With RETRY and SNOOZE, milliseconds until it may run again.
      error_message: Why it did not complete. With COMPLETE, what went wrong after the actor returned.
      error_type: Dotted name of the exception's class.
      percent, text: Last report. COMPLETE writes 100 whatever was reported.
      sends: Messages that belong to the outcome. They are recorded in the same commit.
      line: Key of its actor's limit, which has a place free now. None: it has none.
      options: With RETRY and SNOOZE, options of the message that was enqueued again. None: they stay.
    """

    claim: Claim
    move: Move
    task_name: str = ""
    result: Any = None
    error_message: str = ""
    error_type: str = ""
    traceback: str = ""
    ran_ms: float | None = None
    delay_ms: int = 0
    percent: int = 0
    text: str = ""
    sends: tuple[Send, ...] = ()
    line: str | None = None
    options: dict[str, Any] | None = None


class Settled(NamedTuple):
    """Answer of the ledger to an outcome.

    Parameters:
      took: False: the row has another attempt by now, and nothing was written.
      deferred: Another transaction has locked the row and nothing was written. Try again.
      sends: Messages recorded with the outcome. Publish them after the commit.
      instead: Move that was made in place of the outcome's, such as a cancellation in place of a retry.
    """

    took: bool
    deferred: bool = False
    sends: tuple[Send, ...] = ()
    instead: Move | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """Figures of a process that its heartbeat writes.

    Parameters:
      memory_mb: Resident memory.
      busy_threads: Threads that run a task.
      tasks_done: Runs that have ended.
      untaken_ms: Milliseconds since it took a task, or had no thread free for one. None: never.
      trouble: Why it cannot work, as a word of `WorkerProcess.TROUBLES`. Empty: it can.
      is_quiet: Whether it takes no tasks, as an operator asked.
    """

    memory_mb: int = 0
    busy_threads: int = 0
    tasks_done: int = 0
    untaken_ms: float | None = None
    trouble: str = ""
    is_quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One call of a stack.

    Parameters:
      file: Path of the code.
      line: Number of the line that runs.
      name: Name of the function.
      source: Text of that line. Empty: not known.
      is_library: Whether the code is Python's, a library's or the task system's.
    """

    file: str
    line: int
    name: str
    source: str = ""
    is_library: bool = False

    @property
    def lines(self) -> list[str]:
        """Lines that show it, as Python writes them."""
        call = f'  File "{self.file}", line {self.line}, in {self.name}'
        return [call, f"    {self.source}"] if self.source else [call]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupProgress:
    """Progress of a group, in members. A pipeline is one member.

    Parameters:
      total: Number of members.
      completed, failed, cancelled: Members that ended like this.
      waiting, running: Members whose task is pending, or is held by a worker.
      has_ended: All members had ended at some time. Staff may have retried one since.
    """

    total: int
    completed: int
    failed: int
    cancelled: int
    waiting: int
    running: int
    has_ended: bool
