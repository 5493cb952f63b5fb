"""The testing kit: look at what was sent, run it in the test's own thread, or let a real worker run it.

docs/testing.md has examples. It needs the project's broker, so it belongs to `workers`: the tests of an app import it,
an app never does.
"""

from workers.testing.clock import advance
from workers.testing.drain import run_due, run_tasks
from workers.testing.errors import MisuseError
from workers.testing.live import working
from workers.testing.perform import perform
from workers.testing.schedules import run_schedule
from workers.testing.sends import assert_sent, refute_sent, sent

__all__ = [
    "MisuseError",
    "advance",
    "assert_sent",
    "perform",
    "refute_sent",
    "run_due",
    "run_schedule",
    "run_tasks",
    "sent",
    "working",
]
