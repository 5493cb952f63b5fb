"""Signals of the task system, for those that carry news between processes."""

from django.dispatch import Signal

#: The cancellation of running tasks was requested and committed. `worker_ids`: the processes that hold them.
cancel_requested = Signal()

#: The ledger itself ended tasks, without an attempt that could tell it, and committed that. `task_ids`: some of them.
#: `move`: one of `apps.tasks.states`, such as EXPIRE.
ended_by_ledger = Signal()

#: Attempts of this worker process ended, and that is committed. `outcomes`: the `Outcome` of each. `may_block`: False
#: if the writer's thread sends it, which must go on.
outcomes_written = Signal()

#: This worker process has written its last outcomes and stops. `timeout_seconds`: time that receivers may take, in all.
worker_stopping = Signal()

#: A queue or an actor was paused or resumed, and that is committed.
pauses_changed = Signal()
