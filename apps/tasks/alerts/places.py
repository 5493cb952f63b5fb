"""Addresses of the pages that explain an alert. Empty: the project has no such page."""

from typing import Any

from django.urls import NoReverseMatch, reverse

from apps.tasks.models import alert as kinds

#: Headings of docs/runbooks.md that say what to do.
RUNBOOKS = {
    kinds.SERVER_AWAY: "redis-is-down",
    kinds.NO_WORKER: "tasks-wait-and-no-worker-runs",
    kinds.NO_SCHEDULER: "a-queue-has-no-worker-or-a-schedule-sends-nothing",
    kinds.QUEUE_UNTAKEN: "a-queue-has-no-worker-or-a-schedule-sends-nothing",
    kinds.STALLED: "a-task-is-stuck",
    kinds.OLDEST_DUE: "tasks-wait-and-no-worker-runs",
    kinds.QUEUE_FULL: "thousands-of-unwanted-tasks-wait",
    kinds.LIMIT_FULL: "a-task-is-stuck",
    kinds.FAILURES: "many-tasks-failed-for-one-reason",
    kinds.POISON: "a-worker-process-is-killed",
    kinds.SLOW_TASK: "a-task-is-stuck",
    kinds.SCHEDULE_BROKEN: "a-queue-has-no-worker-or-a-schedule-sends-nothing",
    kinds.SCHEDULE_LATE: "a-queue-has-no-worker-or-a-schedule-sends-nothing",
    kinds.MISSED_SLOT: "a-queue-has-no-worker-or-a-schedule-sends-nothing",
    kinds.DISK_FULL: "a-disk-is-full",
    kinds.MEMORY_FULL: "redis-is-full-or-evicts-keys",
}


def of(kind: str, scope: str) -> str:
    """Return the address of the list, or of the page, that explains a condition."""
    if kind == kinds.STALLED:
        return _page("tasks_workerprocess_change", args=[scope])
    if kind in (kinds.NO_WORKER, kinds.NO_SCHEDULER) or (kind == kinds.QUEUE_UNTAKEN and not scope):
        return _page("tasks_workerprocess_changelist")
    if kind in kinds.BY_SCHEDULE:
        return _page("tasks_schedule_changelist", query={"q": scope})
    if kind == kinds.LIMIT_FULL:
        return _page("tasks_limit_changelist", query={"q": scope})
    if kind in kinds.BY_QUEUE:
        return _page("tasks_taskstatus_changelist", query={"status__exact": "pending", "queue": scope})
    if kind == kinds.SLOW_TASK:
        return _page("tasks_taskstatus_changelist", query={"status__exact": "processing", "task": scope})
    if kind in kinds.BY_ACTOR:
        return _page("tasks_taskstatus_changelist", query={"status__exact": "failed", "task": scope, "ended": "hour"})
    return ""


def alert(pk: int) -> str:
    """Return the address of an alert's page."""
    return _page("tasks_alert_change", args=[pk])


def runbook(kind: str) -> str:
    """Return the place in the documentation that says what to do."""
    return f"docs/runbooks.md#{RUNBOOKS[kind]}" if kind in RUNBOOKS else ""


def _page(name: str, *, args: Any = None, query: Any = None) -> str:
    try:
        return str(reverse(f"admin:{name}", args=args, query=query))
    except NoReverseMatch:
        return ""
