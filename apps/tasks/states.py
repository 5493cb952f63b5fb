"""The states of a task and the legal moves between them. No ORM in here.

`pending` and `processing` are unfinished; the others are terminal.
"""

from dataclasses import dataclass

PENDING = "pending"
PROCESSING = "processing"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"

#: Each state's meaning, in the order of a task's life.
STATES: dict[str, str] = {
    PENDING: "Recorded; waits for its time and for a worker.",
    PROCESSING: "Claimed by a worker process; `started_at` tells whether it runs already.",
    COMPLETED: "The actor returned.",
    FAILED: "It will not run again by itself; `error_message` says why.",
    CANCELLED: "Somebody called it off before it was done.",
}

UNFINISHED = (PENDING, PROCESSING)
TERMINAL = (COMPLETED, FAILED, CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Move:
    """A legal change of state: from where, to where, and who makes it."""

    name: str
    sources: tuple[str, ...]
    target: str
    by: str
    #: Whether the move raises `attempt`, so that whoever held the old one is refused.
    new_attempt: bool = False


CLAIM = Move(name="claim", sources=(PENDING,), target=PROCESSING, by="a worker, before it runs the task")
COMPLETE = Move(name="complete", sources=(PROCESSING,), target=COMPLETED, by="the worker that holds the claim")
FAIL = Move(name="fail", sources=(PROCESSING,), target=FAILED, by="the worker that holds the claim")
RETRY = Move(
    name="retry", sources=(PROCESSING,), target=PENDING, by="the worker that holds the claim", new_attempt=True
)
HAND_BACK = Move(
    name="hand back", sources=(PROCESSING,), target=PENDING, by="a worker that stops, or is busy", new_attempt=True
)
RESCUE = Move(
    name="rescue", sources=(PROCESSING,), target=PENDING, by="the relay, when the worker died", new_attempt=True
)
POISON = Move(
    name="poison", sources=(PROCESSING,), target=FAILED, by="the relay, after `max_crashes` deaths of its worker"
)
EXPIRE = Move(name="expire", sources=(PENDING,), target=FAILED, by="the relay, when `expires_at` has passed")
REJECT = Move(name="reject", sources=(PENDING,), target=FAILED, by="a worker that does not know the actor")
CANCEL = Move(name="cancel", sources=(PENDING,), target=CANCELLED, by="its owner or staff")
ABORT = Move(name="abort", sources=(PROCESSING,), target=CANCELLED, by="the worker that was asked to stop it")
REVIVE = Move(name="send again", sources=(FAILED, CANCELLED), target=PENDING, by="staff", new_attempt=True)

MOVES: tuple[Move, ...] = (
    CLAIM, COMPLETE, FAIL, RETRY, HAND_BACK, RESCUE, POISON, EXPIRE, REJECT, CANCEL, ABORT, REVIVE,
)  # fmt: skip


def legal(source: str, target: str) -> bool:
    """Whether any move leads from `source` to `target`."""
    return any(source in move.sources and move.target == target for move in MOVES)
