"""Dramatiq middleware of the task system, one file each.

`DEFAULT` is the list for `DRAMATIQ_BROKER["MIDDLEWARE"]`. Its order matters: after-hooks run from the end of the list
to its start, so `Ending` opens the end of an attempt, and `Progress` closes it after all between them have decided.
"""

DEFAULT = [
    "workers.middleware.cancellation.Cancellations",
    "workers.middleware.connections.Connections",
    "workers.middleware.lifecycle.Lifecycle",
    "workers.middleware.progress.Progress",
    "dramatiq.middleware.CurrentMessage",
    "workers.middleware.event_loop.EventLoop",
    "workers.middleware.callbacks.Callbacks",
    "workers.middleware.pipelines.Pipelines",
    "workers.middleware.groups.Groups",
    "workers.middleware.retries.Retries",
    "workers.middleware.snooze.Snoozes",
    "workers.middleware.max_waiting.MaxWaiting",
    "workers.middleware.keep.Keep",
    "workers.middleware.masking.Masking",
    "workers.middleware.log_lines.LogLines",
    "workers.middleware.periodic.Periodic",
    "workers.middleware.unique.Unique",
    "workers.middleware.limits.Limits",
    "workers.middleware.priority.Priority",
    "workers.middleware.transactional.Transactional",
    "workers.middleware.shutdown.Shutdowns",
    "workers.middleware.time_limit.DefaultTimeLimit",
    "workers.middleware.isolation.Isolation",
    "workers.middleware.ending.Ending",
]
