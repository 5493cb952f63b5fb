"""States of a task and the legal moves between them. Nothing here needs Django.

`pending` and `processing` are unfinished. The others are terminal.
"""

from dataclasses import dataclass

PENDING = "pending"
PROCESSING = "processing"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"

#: Meaning of each state, in the order of a task's life.
STATES: dict[str, str] = {
    PENDING: "Recorded. It waits for its time and for a worker.",
    PROCESSING: "Claimed by a worker process. `started_at` tells whether it runs already.",
    COMPLETED: "The actor returned.",
    FAILED: "It does not run again by itself. `error_message` says why.",
    CANCELLED: "Cancelled before it completed.",
}

UNFINISHED = (PENDING, PROCESSING)
TERMINAL = (COMPLETED, FAILED, CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Move:
    """A legal change of state.

    Parameters:
      name: Shown in the state diagram and kept in `TaskAttempt.outcome`.
      sources: States that the move may start from.
      target: State that it leads to.
      by: Who makes the move.
      new_attempt: Whether `attempt` rises, so that the holder of the old attempt is refused.
    """

    name: str
    sources: tuple[str, ...]
    target: str
    by: str
    new_attempt: bool = False


CLAIM = Move(name="claim", sources=(PENDING,), target=PROCESSING, by="a worker, before it runs the task")
COMPLETE = Move(name="complete", sources=(PROCESSING,), target=COMPLETED, by="the worker that holds the claim")
FAIL = Move(name="fail", sources=(PROCESSING,), target=FAILED, by="the worker that holds the claim")
RETRY = Move(
    name="retry", sources=(PROCESSING,), target=PENDING, by="the worker that holds the claim", new_attempt=True
)
SNOOZE = Move(
    name="snooze", sources=(PROCESSING,), target=PENDING, by="the worker that holds the claim", new_attempt=True
)
RELEASE = Move(
    name="release", sources=(PROCESSING,), target=PENDING, by="a worker that stops, or is busy", new_attempt=True
)
RESCUE = Move(
    name="rescue", sources=(PROCESSING,), target=PENDING, by="the relay, when the worker died", new_attempt=True
)
POISON = Move(
    name="poison", sources=(PROCESSING,), target=FAILED, by="the relay, after `TASK_MAX_CRASHES` worker crashes"
)
EXPIRE = Move(name="expire", sources=(PENDING,), target=FAILED, by="the relay, when `expires_at` has passed")
REJECT = Move(
    name="reject",
    sources=(PENDING,),
    target=FAILED,
    by="a worker or the relay, when no worker could take it for 10 minutes",
)
CANCEL = Move(name="cancel", sources=(PENDING,), target=CANCELLED, by="the owner or staff")
CANCEL_CLAIMED = Move(
    name="cancel claimed", sources=(PROCESSING,), target=CANCELLED, by="the worker that holds the claim, on request"
)
RETRY_BY_HAND = Move(name="retry by hand", sources=(FAILED, CANCELLED), target=PENDING, by="staff", new_attempt=True)

MOVES: tuple[Move, ...] = (
    CLAIM, COMPLETE, FAIL, RETRY, SNOOZE, RELEASE, RESCUE, POISON, EXPIRE, REJECT, CANCEL, CANCEL_CLAIMED,
    RETRY_BY_HAND,
)  # fmt: skip


def legal(source: str, target: str) -> bool:
    """Return whether a move leads from `source` to `target`."""
    return any(source in move.sources and move.target == target for move in MOVES)
