"""Signals of the task system, for those that carry news between processes."""

from django.dispatch import Signal

#: The cancellation of running tasks was requested and committed. `worker_ids`: the processes that hold them.
cancel_requested = Signal()
