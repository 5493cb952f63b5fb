"""The values that go into the ledger: a send, and what became of an attempt."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from apps.tasks.states import Move


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """A message to be recorded, as JSON-able values.

    Parameters:
      task_id: Dramatiq's message id.
      delay_ms: How long it must wait before it may run.
      max_age_ms: How long after `run_at` it may still start. None: for ever.
    """

    task_id: str
    task_name: str
    queue_name: str
    priority: int = 0
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    delay_ms: int = 0
    max_age_ms: int | None = None
    owner_id: int | None = None
    related_object_type: str = ""
    related_object_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A task that is held now, and what its worker must know of it."""

    task_id: str
    row_id: int
    owner_id: int | None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Proof that one attempt of a task is held. The finish must show it."""

    task_id: str
    row_id: int
    attempt: int
    claim_id: uuid.UUID
    worker_id: uuid.UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How far a held attempt is.

    Parameters:
      ran_ms: How long ago it started, in milliseconds.
    """

    claim: Claim
    percent: int
    text: str
    ran_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a held attempt ended.

    Parameters:
      move: COMPLETE, FAIL, RETRY, HAND_BACK or ABORT of `apps.tasks.states`.
      ran_ms: How long the actor ran, in milliseconds. None: it was not started.
      delay_ms: With RETRY, how long until it may run again.
      percent, text: The last that it reported; COMPLETE is 100 whatever was said.
      sends: Messages that belong to the outcome; they are recorded in the same commit.
      group: The group that counts this task, if it completes.
      group_sends: What is sent when it is the group's last.
    """

    claim: Claim
    move: Move
    result: Any = None
    error_message: str = ""
    traceback: str = ""
    ran_ms: float | None = None
    delay_ms: int = 0
    percent: int = 0
    text: str = ""
    sends: tuple[Send, ...] = ()
    group: str = ""
    group_sends: tuple[Send, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What the ledger did with an outcome.

    Parameters:
      took: False: the attempt was no longer the row's, nothing was written.
      deferred: Somebody else has the row locked; nothing was written, try again.
      sends: What was recorded with it, to be published after the commit.
    """

    took: bool
    deferred: bool = False
    sends: tuple[Send, ...] = ()
