"""The scheduler: sends the tasks of all schedules at their slots. Any number of schedulers may run.

APScheduler drives the clock, with one job that is due when the next slot of any schedule is. The database has what is
due, so a change is seen at the next look, at the latest a second later, whether it was made in the admin, in the
terminal or by another scheduler. Periodiq's own loop is not used: it never fires on Sundays and loses slots.
"""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from django.db import DatabaseError, InterfaceError, connection

from apps.tasks.models import Schedule
from apps.tasks.schedules import clock, declared, firing, history

logger = logging.getLogger(__name__)

#: The database is looked at so often though nothing is due.
LOOK_SECONDS = 1.0
#: After another scheduler was found to be firing what is due.
OTHERS_SECONDS = 0.1
#: What waits for a run before it is looked for so often.
RELEASE_SECONDS = 1.0
#: But no more than this share of the time goes into it: one in so many seconds.
RELEASE_SHARE = 20
PRUNE_SECONDS = 3_600.0


class Scheduler:
    """One scheduler. `run` is its whole life."""

    def __init__(self) -> None:
        self.clock = BackgroundScheduler(
            timezone=UTC,
            # Each a thread of its own: who deletes history does not hold up who fires.
            executors={"default": ThreadPoolExecutor(1), "history": ThreadPoolExecutor(1)},
            # Two looks: the second one waits for the first.
            job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        )
        self.looking = threading.Lock()
        self.is_away = False
        self.knows_declared = False
        self.release_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Fire until `stop` is set."""
        self.clock.add_job(self.look, id="look")
        self.clock.add_job(
            self.prune, "interval", seconds=PRUNE_SECONDS, id="prune", executor="history", next_run_time=_now()
        )
        self.clock.start()
        try:
            # By the machine's own clock that nobody sets: a job whose time jumped away would not be looked at again.
            while not stop.wait(LOOK_SECONDS):
                if not self.looking.locked():
                    self.look_at(_now())
        finally:
            # APScheduler would wait with a lock held that the running look needs.
            self.clock.shutdown(wait=False)
            with self.looking:
                pass

    def look_at(self, timestamp: datetime) -> None:
        """Let the next look be at this time of the machine's clock."""
        self.clock.add_job(self.look, "date", run_date=timestamp, id="look", replace_existing=True)

    def look(self) -> None:
        """Fire what is due, and let the next look be when the next slot is."""
        with self.looking:
            self._look()

    def _look(self) -> None:
        try:
            if not self.knows_declared:
                self._update_declared()
            seconds = self._seconds_to_next()
            while seconds is not None and seconds <= 0:
                sent = firing.fire_due()
                seconds = self._seconds_to_next()
                if not sent:
                    break  # Another scheduler has what is due.
            self._release()
        except (DatabaseError, InterfaceError) as error:
            # What was due stays due: the database has it, once it is back.
            connection.close()
            if not self.is_away:
                logger.warning("database away error=%s", " ".join(str(error).split()))
            self.is_away = True
            return
        if self.is_away:
            logger.info("database is back")
            self.is_away = False
        if seconds is not None and seconds < LOOK_SECONDS:
            self.look_at(_now() + timedelta(seconds=max(seconds, OTHERS_SECONDS if seconds <= 0 else 0.001)))

    def _release(self) -> None:
        """Let tasks run whose run before is done. Where that takes long, it is done less often."""
        began = time.monotonic()
        if began >= self.release_at:
            firing.release()
            ended = time.monotonic()
            self.release_at = ended + max(RELEASE_SECONDS, RELEASE_SHARE * (ended - began))

    def prune(self) -> None:
        """Forget what became of old slots."""
        try:
            deleted = history.prune()
            if deleted:
                logger.info("schedule history pruned rows=%s", deleted)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("schedule history not pruned error=%s", " ".join(str(error).split()))
        finally:
            connection.close()

    def _update_declared(self) -> None:
        declared.update()
        self.knows_declared = True
        for schedule in Schedule.objects.exclude(declared_cron="").filter(name__in=declared.declarations()):
            state = "" if schedule.enabled else " paused"
            next_at = firing.iso(schedule.next_at) if schedule.next_at else None
            logger.info("schedule cron=%r actor=%s next=%s%s", schedule.cron, schedule.task_name, next_at, state)

    @staticmethod
    def _seconds_to_next() -> float | None:
        """How long until the next slot of any schedule is to be fired, in real seconds."""
        at = firing.earliest()
        return None if at is None else clock.real_seconds((at - clock.now()).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
