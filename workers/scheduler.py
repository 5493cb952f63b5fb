"""The scheduler: sends the tasks of all schedules at their slots. Any number of schedulers may run.

APScheduler drives the clock, with one job that is due when the next slot of any schedule is. The database knows what is
due, so the scheduler sees a change within a second, whether it was made in the admin, in the terminal or by another
scheduler. Periodiq's own loop is not used: it never fires on Sundays and loses slots.
"""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from django.db import DatabaseError, InterfaceError

from apps.core.connections import close_broken
from apps.tasks.models import Schedule, WorkerProcess
from apps.tasks.schedules import clock, declared, firing, history
from workers.process.stop_request import StopRequest
from workers.process_row import ProcessRow

logger = logging.getLogger(__name__)

#: Seconds between two looks at the database while nothing is due.
LOOK_SECONDS = 1.0
#: Seconds until the next look while another scheduler fires the slots that are due.
OTHERS_SECONDS = 0.1
#: Seconds between two searches for held tasks whose previous run is done.
HELD_SECONDS = 1.0
#: A search is followed by a pause of at least this many times its own length, so it takes at most 5 % of the time.
HELD_PAUSE = 20
#: Seconds without a look after which the scheduler ends, so that it is replaced: the thread that looks is dead.
STALLED_SECONDS = 30.0
#: Seconds between two prunings of the history.
PRUNE_SECONDS = 3_600.0


class Scheduler:
    """One scheduler. `run` returns when it stops."""

    def __init__(self) -> None:
        self.clock = BackgroundScheduler(
            timezone=UTC,
            # Pruning has a thread of its own, so that it does not delay the firing.
            executors={"default": ThreadPoolExecutor(1), "history": ThreadPoolExecutor(1)},
            # A second look may wait for the first one.
            job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        )
        self.row = ProcessRow(WorkerProcess.KIND_SCHEDULER)
        self.looking = threading.Lock()
        self.is_away = False
        self.knows_declared = False
        self.held_at = 0.0
        self.looked_at = 0.0

    def run(self, stop: StopRequest | threading.Event) -> int:
        """Fire until `stop` is set. Return the exit code: 1 if the looks have ended before."""
        self.looked_at = time.monotonic()
        self.clock.add_job(self.look, id="look")
        self.clock.add_job(
            self.prune, "interval", seconds=PRUNE_SECONDS, id="prune", executor="history", next_run_time=_now()
        )
        self.clock.start()
        try:
            # The monotonic clock drives these looks too: a job whose time has jumped away would never run.
            while not stop.wait(LOOK_SECONDS):
                if not self.looking.locked():
                    if time.monotonic() - self.looked_at > STALLED_SECONDS:
                        logger.critical("scheduler stalled, process ends")
                        return 1
                    self.look_at(_now())
            return 0
        finally:
            # APScheduler would wait with a lock held that the running look needs.
            self.clock.shutdown(wait=False)
            with self.looking:
                self.row.stop()

    def look_at(self, timestamp: datetime) -> None:
        """Schedule the next look, by the machine's clock."""
        self.clock.add_job(self.look, "date", run_date=timestamp, id="look", replace_existing=True)

    def look(self) -> None:
        """Fire the slots that are due, and schedule the next look for the next slot."""
        with self.looking:
            self._look()

    def _look(self) -> None:
        self.looked_at = time.monotonic()
        try:
            if not self.knows_declared:
                self._update_declared()
            seconds = self._seconds_to_next()
            while seconds is not None and seconds <= 0:
                sent = firing.fire_due()
                self.row.beat()
                seconds = self._seconds_to_next()
                if not sent:
                    break  # Another scheduler has locked the rest.
            self._start_held()
            self.row.beat()
        except (DatabaseError, InterfaceError) as error:
            # The slots stay due until the database is back.
            close_broken()
            if not self.is_away:
                logger.warning("database away error=%s", " ".join(str(error).split()))
            self.is_away = True
            return
        if self.is_away:
            logger.info("database is back")
            self.is_away = False
        if seconds is not None and seconds < LOOK_SECONDS:
            self.look_at(_now() + timedelta(seconds=max(seconds, OTHERS_SECONDS if seconds <= 0 else 0.001)))

    def _start_held(self) -> None:
        """Start held tasks whose previous run is done. A search that takes long runs less often."""
        began = time.monotonic()
        if began >= self.held_at:
            firing.start_held()
            ended = time.monotonic()
            self.held_at = ended + max(HELD_SECONDS, HELD_PAUSE * (ended - began))

    def prune(self) -> None:
        """Delete the rows of old slots."""
        try:
            deleted = history.prune()
            if deleted:
                logger.info("schedule history pruned rows=%s", deleted)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("schedule history not pruned error=%s", " ".join(str(error).split()))
        finally:
            close_broken()

    def _update_declared(self) -> None:
        declared.update()
        self.knows_declared = True
        for schedule in Schedule.objects.exclude(declared_cron="").filter(name__in=declared.declarations()):
            state = "" if schedule.enabled else " paused"
            next_at = firing.iso(schedule.next_at) if schedule.next_at else None
            logger.info("schedule cron=%r actor=%s next=%s%s", schedule.cron, schedule.task_name, next_at, state)

    @staticmethod
    def _seconds_to_next() -> float | None:
        """Return the real seconds until the next slot of any schedule is to be fired, or None."""
        at = firing.earliest()
        return None if at is None else clock.real_seconds((at - clock.now()).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
