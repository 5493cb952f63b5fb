"""`TASK_EAGER`: tasks run in the thread that sends them."""

from typing import Any

import dramatiq
from django.db import transaction
from dramatiq import Broker, Message, Middleware

from apps.tasks.conf import conf
from workers.process.attempt import Attempt
from workers.testing.drain import is_draining, run_due
from workers.testing.hooks import is_at_top


class Eager(Middleware):
    """Runs the due tasks after each send, once its transaction has committed.

    The transaction of a test case counts as committed.
    """

    def after_enqueue(self, broker: Broker, message: Message[Any], delay: Any) -> None:
        if is_draining() or Attempt.current() is not None:
            return  # The loop that runs the sender finds it.
        if is_at_top():
            run_due()
        else:
            transaction.on_commit(run_due)


def follow_setting() -> None:
    """Add the middleware to the broker, or remove it, as the setting says."""
    broker = dramatiq.get_broker()
    broker.middleware[:] = [one for one in broker.middleware if not isinstance(one, Eager)]
    if conf.TASK_EAGER:
        broker.middleware.append(Eager())
