"""The living processes, as a look at what is wrong or at why a task waits reads them."""

from functools import cached_property

from apps.tasks.models import WorkerProcess


class Processes:
    """Processes that beat, as rows of `with_idle_time`. They are read when they are asked for, once."""

    @cached_property
    def processes(self) -> list[WorkerProcess]:
        """The workers, relays and schedulers."""
        return list(WorkerProcess.objects.beating().with_idle_time())

    def of_kind(self, kind: str) -> list[WorkerProcess]:
        return [process for process in self.processes if process.kind == kind]

    @property
    def workers(self) -> list[WorkerProcess]:
        return self.of_kind(WorkerProcess.KIND_WORKER)

    @property
    def takers(self) -> list[WorkerProcess]:
        """The workers that take tasks: those that no operator asked to take nothing new or to stop."""
        return [worker for worker in self.workers if not worker.wanted]

    @property
    def has_relay(self) -> bool:
        return bool(self.of_kind(WorkerProcess.KIND_RELAY))

    @property
    def has_scheduler(self) -> bool:
        return bool(self.of_kind(WorkerProcess.KIND_SCHEDULER))
