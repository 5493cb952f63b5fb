"""Worker, relay and scheduler processes that live."""

from apps.tasks.clock import SecondsSince
from apps.tasks.models import WorkerProcess


def read() -> tuple[WorkerProcess, ...]:
    """Return the processes that have neither stopped nor been declared dead, with `silent_seconds` and `idle_time`.

    Some of them may have died a moment ago: those that are silent for longer than the timeout are not alive.
    """
    living = WorkerProcess.objects.filter(stopped_at=None).with_idle_time()
    return tuple(living.annotate(silent_seconds=SecondsSince("beat_at")).order_by())
