"""Read `/metrics`, and compute the same figures from the rows in another way."""

from collections import Counter, defaultdict
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.utils import floatToGoString

from apps.tasks.figures import BOUNDS_SECONDS
from apps.tasks.models import TaskAttempt, TaskStatus

#: Values of samples by the values of their labels, in the order of the labels' names.
Samples = dict[tuple[str, ...], float]

#: SQLite reckons with whole milliseconds.
ROUNDING_SECONDS = 0.001
#: End of the name under which those times count that rounding may take over a bound.
NEAR = " near"


def parsed(text: str) -> dict[str, Samples]:
    """Return the samples of each metric."""
    found: dict[str, Samples] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def from_rows(now: Any) -> dict[str, Samples]:
    """Return the samples of all figures that come from tasks, without those that are 0.

    Parameters:
      now: Time that counts as now for tasks that wait.
    """
    found: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for row in TaskStatus.objects.all().iterator():
        actor, queue = row.task_name, row.queue_name
        found["tasks_sent_total"][actor, queue] += 1
        if row.is_finished:
            found["tasks_ended_total"][actor, row.status, queue] += 1
            if row.started_at and row.finished_at:
                _time(found, "tasks_wait_seconds", actor, queue, (row.started_at - row.run_at).total_seconds())
                _time(found, "tasks_run_seconds", actor, queue, (row.finished_at - row.started_at).total_seconds())
        elif row.status == "processing":
            found["tasks_held"][queue,] += 1
            found["tasks_running"][queue,] += row.started_at is not None
        elif row.run_at > now:
            found["tasks_scheduled"][queue,] += 1
        elif row.in_line:
            found["tasks_limit_waiting"][actor,] += 1
        else:
            found["tasks_waiting"][queue,] += 1
        if row.line is not None and not row.in_line and not row.delayed and not row.is_finished:
            found["tasks_limit_used"][actor,] += row.weight
    for outcome, actor, queue in TaskAttempt.objects.values_list("outcome", "task__task_name", "task__queue_name"):
        found["tasks_retries_total"][actor, queue] += outcome == "retry"
        found["tasks_crashes_total"][actor, queue] += outcome in {"rescue", "poison"}
    return {name: {key: float(value) for key, value in samples.items() if value} for name, samples in found.items()}


def differences(found: dict[str, Samples], expected: dict[str, Samples]) -> list[str]:
    """Return each sample that is not as expected. A sum of times may differ by two milliseconds a task."""
    names = {*expected, "tasks_held", "tasks_running", "tasks_waiting", "tasks_scheduled", "tasks_crashes_total"}
    told = []
    for name in sorted(name for name in names if not name.endswith(NEAR)):
        left, right = found.get(name, {}), expected.get(name, {})
        for labels in sorted({*left, *right}):
            here, there = left.get(labels, 0.0), right.get(labels, 0.0)
            tasks = expected.get(name.removesuffix("_sum") + "_count", {}).get(labels, 0.0) * name.endswith("_sum")
            slack = 2 * ROUNDING_SECONDS * tasks + expected.get(name + NEAR, {}).get(labels, 0.0)
            if abs(here - there) > slack:
                told.append(f"{name}{labels}: {here:g} instead of {there:g}")
    return told


def _time(found: Any, name: str, actor: str, queue: str, seconds: float) -> None:
    found[f"{name}_count"][actor, queue] += 1
    found[f"{name}_sum"][actor, queue] += max(0.0, seconds)
    for bound in BOUNDS_SECONDS:
        labels = actor, floatToGoString(bound), queue
        found[f"{name}_bucket"][labels] += seconds < bound
        found[f"{name}_bucket{NEAR}"][labels] += abs(seconds - bound) <= ROUNDING_SECONDS
    found[f"{name}_bucket"][actor, "+Inf", queue] += 1
