"""Progress of reading."""

from collections.abc import Callable

#: Called with the share that is done, 0 to 1, and a text that names the step.
OnProgress = Callable[[float, str], None]


class Steps:
    """Counts bytes or pages, and reports the share that is done.

    Parameters:
      total: Number of all of them; 0 counts as 1.
      what: Text that names the step.
    """

    def __init__(self, on_progress: OnProgress, *, total: int, what: str) -> None:
        self.on_progress = on_progress
        self.total = max(total, 1)
        self.what = what
        self.done = 0

    def advance(self, number: int) -> None:
        self.done += number
        self.on_progress(min(self.done / self.total, 1.0), self.what)


def ignore(share: float, what: str) -> None:
    """Ignore the progress."""
