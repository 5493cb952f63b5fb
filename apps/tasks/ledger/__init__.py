"""The ledger: the only code that writes the rows of tasks.

A transition is one guarded UPDATE that says whether it took. The guard names the states that the move may start from
and, for a claimed task, the attempt and the claim. A late writer therefore changes nothing.

The modules follow the life of a task: `record` inserts it unless `keys` finds one that stands for it, `admission` gives
it a place of its limit, `aside` keeps it while its actor is paused, `work` claims and finishes it, `recover` takes it
back from a worker that cannot finish it, `relay` finds what is due. For a person, `operate` cancels it, with the
`children` that follow it, and retries it, and `change` gives it another time, priority or queue. `retention` deletes it
long after its end. `groups` reads from the rows how far groups are, and `why` of `apps.tasks.reasons` why a task waits.
"""

from apps.tasks.ledger.admission import Admission, admit, forget_starts
from apps.tasks.ledger.aside import ASIDE_PAGE, set_aside, take_back
from apps.tasks.ledger.change import (
    LARGEST_PRIORITY,
    LEAST_PRIORITY,
    change_priority,
    change_queue,
    held,
    may_run_now,
    run_now,
)
from apps.tasks.ledger.children import forget_children
from apps.tasks.ledger.groups import (
    FAILED_IDS,
    FINISHED,
    SUCCESS,
    forget_groups,
    open_group,
    progress_of,
    settle_groups,
)
from apps.tasks.ledger.keys import forget_keys, not_new, rivals
from apps.tasks.ledger.locks import patience
from apps.tasks.ledger.operate import cancel, cancel_children, cancel_group, cancel_many, retry, retry_many
from apps.tasks.ledger.record import count_waiting, dead_letter, lock_waiting, record, record_new
from apps.tasks.ledger.recover import (
    cancel_requests,
    held_by,
    postpone,
    put_off,
    release_all,
    release_one,
    release_unstarted,
    rescue,
)
from apps.tasks.ledger.relay import Waiting, due_after, due_again, expire_waiting, move, runs_of, still_due, take_due
from apps.tasks.ledger.retention import Kept, Retention, delete_ended, still_needed
from apps.tasks.ledger.rows import PAGE, may
from apps.tasks.ledger.work import (
    Crashes,
    Refusal,
    claim,
    claim_suspect,
    crashes_of,
    finish,
    report,
    snoozes_of,
    wait_for,
)
from apps.tasks.reasons import Reason, why

__all__ = [
    "ASIDE_PAGE",
    "FAILED_IDS",
    "FINISHED",
    "LARGEST_PRIORITY",
    "LEAST_PRIORITY",
    "PAGE",
    "SUCCESS",
    "Admission",
    "Crashes",
    "Kept",
    "Reason",
    "Refusal",
    "Retention",
    "Waiting",
    "admit",
    "cancel",
    "cancel_children",
    "cancel_group",
    "cancel_many",
    "cancel_requests",
    "change_priority",
    "change_queue",
    "claim",
    "claim_suspect",
    "count_waiting",
    "crashes_of",
    "dead_letter",
    "delete_ended",
    "due_after",
    "due_again",
    "expire_waiting",
    "finish",
    "forget_children",
    "forget_groups",
    "forget_keys",
    "forget_starts",
    "held",
    "held_by",
    "lock_waiting",
    "may",
    "may_run_now",
    "move",
    "not_new",
    "open_group",
    "patience",
    "postpone",
    "progress_of",
    "put_off",
    "record",
    "record_new",
    "release_all",
    "release_one",
    "release_unstarted",
    "report",
    "rescue",
    "retry",
    "retry_many",
    "rivals",
    "run_now",
    "runs_of",
    "set_aside",
    "settle_groups",
    "snoozes_of",
    "still_due",
    "still_needed",
    "take_back",
    "take_due",
    "wait_for",
    "why",
]
