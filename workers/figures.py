"""A relay's thread that keeps the figures up to date."""

import logging
import threading

from django.db import DatabaseError, InterfaceError

from apps.core.connections import close_broken, own
from apps.tasks import figures

logger = logging.getLogger(__name__)

#: Seconds between two looks for minutes that are over.
LOOK_SECONDS = 5.0
#: Looks between two deletions of old tallies.
FORGET_LOOKS = 720


class FiguresThread(threading.Thread):
    """Counts events of tasks, beside the relay's passes: a minute of a busy ledger takes a while to read."""

    def __init__(self) -> None:
        super().__init__(name="figures", daemon=True)
        self._ended = threading.Event()
        self._looks = 0
        self._is_away = False

    def end(self) -> None:
        """Let the thread end before its next statement."""
        self._ended.set()

    def run(self) -> None:
        own(repeats=True)
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self.look()
                self._is_away = False
            except (DatabaseError, InterfaceError) as error:
                if not self._is_away:
                    logger.error("figures wait, database does not answer error=%s", error)
                self._is_away = True
                close_broken()
            except BaseException:
                # The thread must go on: without figures nothing is deleted.
                logger.exception("figures failed")
                close_broken()
        close_broken()

    def look(self) -> None:
        """Count the minutes that are over, and delete old tallies now and then."""
        while figures.keep_up() and not self._ended.is_set():
            pass
        if self._looks % FORGET_LOOKS == 0:
            figures.forget()
        self._looks += 1
