"""The ledger: the only code that writes the rows of tasks.

A transition is one guarded UPDATE that says whether it took. The guard names the states that the move may start from
and, for a claimed task, the attempt and the claim. A late writer therefore changes nothing.

The modules follow the life of a task: `record` inserts it unless `keys` finds one that stands for it, `work` claims and
finishes it, `recover` takes it back from a worker that cannot finish it, `relay` finds what is due, `operate` cancels
and retries it for a person.
"""

from apps.tasks.ledger.keys import forget_keys, rivals
from apps.tasks.ledger.operate import cancel, cancel_many, retry, retry_many
from apps.tasks.ledger.record import dead_letter, open_group, record
from apps.tasks.ledger.recover import (
    held_by,
    postpone,
    put_off,
    release_all,
    release_one,
    release_unstarted,
    rescue,
)
from apps.tasks.ledger.relay import Waiting, due_after, expire_waiting, move, runs_of, still_due, take_due
from apps.tasks.ledger.rows import PAGE, may
from apps.tasks.ledger.work import Crashes, Refusal, claim, claim_suspect, crashes_of, finish, report, wait_for

__all__ = [
    "PAGE",
    "Crashes",
    "Refusal",
    "Waiting",
    "cancel",
    "cancel_many",
    "claim",
    "claim_suspect",
    "crashes_of",
    "dead_letter",
    "due_after",
    "expire_waiting",
    "finish",
    "forget_keys",
    "held_by",
    "may",
    "move",
    "open_group",
    "postpone",
    "put_off",
    "record",
    "release_all",
    "release_one",
    "release_unstarted",
    "report",
    "rescue",
    "retry",
    "retry_many",
    "rivals",
    "runs_of",
    "still_due",
    "take_due",
    "wait_for",
]
