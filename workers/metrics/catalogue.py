"""All metrics: their names, kinds, labels and meanings, as the documentation shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

KINDS: dict[str, Any] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


@dataclass(frozen=True)
class Family:
    """A metric.

    Parameters:
      name: Name as it is shown: that of a counter ends in `_total`.
      kind: One of `KINDS`.
      help: Meaning and unit.
      labels: Names of its labels.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()

    def of(self, samples: Iterable[tuple[Any, ...]]) -> Metric:
        """Return the metric with these samples: the values of the labels, then the value.

        The value of a histogram is two: its buckets as pairs of bound and count, and the sum.
        """
        metric = KINDS[self.kind](self.name.removesuffix("_total"), self.help, labels=self.labels)
        for sample in samples:
            labels, values = sample[: len(self.labels)], sample[len(self.labels) :]
            metric.add_metric([str(label) for label in labels], *values)
        return metric  # type: ignore[no-any-return]


# --- The ledger ---

SOURCE_UP = Family(
    "tasks_source_up",
    "gauge",
    "1 if the source of figures could be read, else 0: its metrics are left out.",
    ("source",),
)
WAITING = Family("tasks_waiting", "gauge", "Due tasks that wait for a worker process.", ("queue",))
OLDEST_WAITING = Family(
    "tasks_oldest_waiting_seconds", "gauge", "Seconds for which the oldest of them has been due.", ("queue",)
)
QUEUE_PAUSED = Family("tasks_queue_paused", "gauge", "1 while the queue is paused: its tasks wait.", ("queue",))
ACTOR_PAUSED = Family("tasks_actor_paused", "gauge", "1 while the actor is paused: its tasks wait.", ("actor",))
PAUSED_WAITING = Family(
    "tasks_paused_waiting", "gauge", "Due tasks that wait for the end of a pause of their queue or actor.", ("queue",)
)
SCHEDULED = Family("tasks_scheduled", "gauge", "Pending tasks whose time has not come.", ("queue",))
BACKLOG_TRUNCATED = Family(
    "tasks_backlog_truncated", "gauge", "1 if more tasks are pending than are counted: their figures are lower bounds."
)
HELD = Family("tasks_held", "gauge", "Tasks that worker processes hold.", ("queue",))
RUNNING = Family("tasks_running", "gauge", "Tasks that run.", ("queue",))
LIMIT_USED = Family("tasks_limit_used", "gauge", "Places of the actor's limit in use, as a sum of weights.", ("actor",))
LIMIT_CONCURRENCY = Family(
    "tasks_limit_concurrency", "gauge", "Places of the actor's limit, of each key if it has one.", ("actor",)
)
LIMIT_WAITING = Family("tasks_limit_waiting", "gauge", "Due tasks that wait for a place of their limit.", ("actor",))
LIMIT_OLDEST_WAITING = Family(
    "tasks_limit_oldest_waiting_seconds", "gauge", "Seconds for which the oldest of them has been due.", ("actor",)
)
COUNTED_AGE = Family(
    "tasks_counted_age_seconds", "gauge", "Seconds since the end of the last minute that a relay counted."
)
SENT = Family("tasks_sent_total", "counter", "Tasks that were sent.", ("actor", "queue"))
ENDED = Family(
    "tasks_ended_total", "counter", "Tasks that completed, failed or were cancelled.", ("actor", "queue", "outcome")
)
RETRIES = Family("tasks_retries_total", "counter", "Automatic retries.", ("actor", "queue"))
CRASHES = Family(
    "tasks_crashes_total", "counter", "Runs that ended with the death of their worker process.", ("actor", "queue")
)
WAIT = Family(
    "tasks_wait_seconds", "histogram", "Seconds that ended tasks waited for their last start.", ("actor", "queue")
)
RUN = Family("tasks_run_seconds", "histogram", "Seconds of the last runs of ended tasks.", ("actor", "queue"))
PROCESSES = Family("tasks_processes", "gauge", "Processes that beat, of workers, relays and schedulers.", ("kind",))
PROCESS_MEMORY = Family("tasks_process_memory_bytes", "gauge", "Resident memory of these processes.", ("kind",))
HEARTBEAT_AGE = Family("tasks_heartbeat_age_seconds", "gauge", "Seconds since the last heartbeat of any.", ("kind",))
THREADS = Family("tasks_threads", "gauge", "Threads of the worker processes that beat.")
BUSY_THREADS = Family("tasks_busy_threads", "gauge", "Threads of them that ran a task at the last heartbeat.")
TROUBLED = Family("tasks_troubled_workers", "gauge", "Worker processes that cannot claim tasks or write outcomes.")
QUEUE_WORKERS = Family("tasks_queue_workers", "gauge", "Worker processes that take from the queue.", ("queue",))
SCHEDULE_DELAY = Family(
    "tasks_schedule_delay_seconds", "gauge", "Seconds for which the schedule's next slot is overdue.", ("schedule",)
)
SCHEDULE_MISSED = Family(
    "tasks_schedule_missed_total", "counter", "Slots of the schedule that were missed.", ("schedule",)
)
SCHEDULE_BROKEN = Family(
    "tasks_schedule_broken", "gauge", "1 if the schedule's last slot could not be fired.", ("schedule",)
)

ALERTS_FIRING = Family("tasks_alerts_firing", "gauge", "Alerts that fire, the silenced ones too.", ("kind",))

# --- The process that answers ---

PUBLISH_FAILURES = Family(
    "tasks_publish_failures_total", "counter", "Messages of senders in this process that Redis did not take."
)
EVENT_STREAMS = Family("tasks_event_streams", "gauge", "Event streams that are open in this web process.")
RELAY_PASSES = Family("tasks_relay_passes_total", "counter", "Passes of the relay in this process.", ("outcome",))

FAMILIES: Sequence[Family] = [value for value in globals().values() if isinstance(value, Family)]
