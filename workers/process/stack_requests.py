"""Answers requests for the stacks of tasks that this process runs."""

from apps.core.connections import statement_timeout
from apps.tasks import stacks
from workers.process import stack
from workers.process.holdings import Holdings

#: Seconds between two looks for requests. A process whose tasks are all shorter does not look.
LOOK_SECONDS = 0.5
#: Seconds that a look may take.
STATEMENT_SECONDS = 2.0


class StackRequests:
    """The requests of this process. The reconciler's thread looks for them: it never runs a task."""

    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings

    def answer(self) -> int:
        """Answer the requests. Return their number."""
        if not self.holdings.running(LOOK_SECONDS):
            return 0
        with statement_timeout(STATEMENT_SECONDS):
            requests = stacks.unanswered(self.holdings.worker_id)
        if not requests:
            return 0
        running = {(one.claim.task_id, one.claim.attempt): one for one in self.holdings.running()}
        answered = 0
        for request in requests:
            attempt = running.get((request.task_id, request.attempt))
            if attempt is not None and (frames := stack.of_attempt(attempt)):
                answered += stacks.answer(request, frames)
        return answered
