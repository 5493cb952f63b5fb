"""Answers requests for the stacks of tasks that this process runs."""

from functools import partial

from apps.core.connections import statement_timeout
from apps.tasks import stacks
from apps.tasks.values import Frame
from workers.process import stack
from workers.process.attempt import Attempt
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
            if attempt is not None and (frames := of_attempt(attempt)):
                answered += stacks.answer(request, frames)
        return answered


def of_attempt(attempt: Attempt) -> list[Frame]:
    """Return the stack of a running attempt, the outermost frame first. Empty: it has just ended."""
    frames = (attempt.stack_of or partial(stack.of_thread, attempt.thread))()
    # Its thread may have gone on to another task meanwhile.
    return frames if attempt.outcome is None else []
