"""The scheduler as a process, and the clock that drives it."""

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from apps.tasks.models import Schedule, ScheduleSlot, TaskStatus, WorkerProcess
from apps.tasks.schedules import actions, clock
from workers.scheduler import Scheduler

#: Seconds after which a change is in force.
SECONDS = 5


@pytest.fixture
def every_second(transactional_db) -> Schedule:
    schedule = Schedule(name="every second", task_name="acting.say", kwargs={"value": 1}, interval_seconds=1)
    actions.make(schedule)
    return schedule


def decided() -> int:
    return ScheduleSlot.objects.count()


@pytest.mark.processes
def test_a_change_is_in_force_within_five_seconds_without_a_restart(command, wait_until, transactional_db) -> None:
    command("runscheduler").wait_for("actor=projects.send_weekly_report")
    schedule = Schedule(name="new", task_name="acting.say", kwargs={"value": 1}, cron="0 0 1 1 *")
    actions.make(schedule)
    actions.change(schedule, {"cron": "", "interval_seconds": 1})
    wait_until(lambda: decided() >= 2)
    actions.pause(schedule)
    paused = decided()
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert decided() == paused
    actions.resume(schedule)
    wait_until(lambda: decided() > paused)
    seconds: list[float] = []
    # All is late if the processors are busy with other work. Then it may try again.
    while not seconds or (min(seconds) >= SECONDS and len(seconds) < 5):
        arguments = {"value": 2 + len(seconds)}
        actions.change(schedule, {"kwargs": arguments})
        changed = time.monotonic()
        wait_until(lambda arguments=arguments: arguments in TaskStatus.objects.values_list("kwargs", flat=True))
        seconds.append(time.monotonic() - changed)
    assert min(seconds) < SECONDS


@pytest.mark.processes
def test_a_slot_is_sent_with_its_moment(command, wait_until, every_second) -> None:
    command("runscheduler")
    # The first ones may have come before the scheduler was there.
    wait_until(lambda: TaskStatus.objects.count() >= 3)

    def late() -> list[timedelta]:
        rows = TaskStatus.objects.filter(task_name="acting.say")
        return [row.created_at - datetime.fromisoformat(row.options["slot"]) for row in rows]

    # The busier the machine, the later. One that is in time shows that it was not the scheduler.
    wait_until(lambda: min(late()) < timedelta(seconds=1), explain=late)
    assert min(late()) >= timedelta(0)


@pytest.mark.processes
def test_slots_without_a_scheduler_are_made_up(command, wait_until, every_second) -> None:
    schedule = every_second
    actions.change(schedule, {"missed_policy": "all", "grace_seconds": 0})
    for _ in range(2):
        scheduler = command("runscheduler")
        before = decided()
        wait_until(lambda before=before: decided() >= before + 2)
        scheduler.kill()
        down = clock.now()
        wait_until(lambda down=down: clock.now() - down >= timedelta(seconds=2))
    schedule.refresh_from_db()
    slots = list(ScheduleSlot.objects.order_by("slot").values_list("slot", flat=True))
    assert all(later - slot == timedelta(seconds=1) for slot, later in pairwise(slots)), slots
    assert TaskStatus.objects.count() == len(slots)


@pytest.mark.once
def test_the_clock_goes_on_when_the_machines_time_jumps(wait_until, monkeypatch) -> None:
    looks: list[datetime] = []
    scheduler, stop = Scheduler(), threading.Event()
    monkeypatch.setattr(scheduler, "look", lambda: looks.append(datetime.now(UTC)))
    monkeypatch.setattr(scheduler, "prune", lambda: None)
    thread = threading.Thread(target=scheduler.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: looks)
        # APScheduler sees the same when the time goes back by an hour.
        scheduler.look_at(datetime.now(UTC) + timedelta(hours=1))
        seen = len(looks)
        wait_until(lambda: len(looks) > seen + 1)
    finally:
        stop.set()
        thread.join()


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_asked_again(monkeypatch, caplog) -> None:
    from django.db import OperationalError

    from apps.tasks.schedules import firing

    scheduler = Scheduler()
    with monkeypatch.context() as patch:

        def fail() -> int:
            raise OperationalError("server closed the connection")

        patch.setattr(firing, "earliest", fail)
        scheduler.look()
        scheduler.look()
    scheduler.look()
    told = [record.getMessage() for record in caplog.records if "database" in record.getMessage()]
    assert told == ["database away error=server closed the connection", "database is back"]


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_a_scheduler_beats_with_its_looks_and_signs_off(wait_until, monkeypatch) -> None:
    monkeypatch.setattr("workers.scheduler.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("workers.process_row.conf", SimpleNamespace(WORKER_HEARTBEAT_TIMEOUT_SECONDS=0.04))
    scheduler, stop = Scheduler(), threading.Event()
    thread = threading.Thread(target=scheduler.run, args=(stop,))
    thread.start()
    try:
        row = wait_until(lambda: WorkerProcess.objects.filter(beats__gte=3).first())
        assert (row.kind, row.stopped_at) == ("scheduler", None)
    finally:
        stop.set()
        thread.join()
    row.refresh_from_db()
    assert row.stopped_at is not None


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_a_scheduler_that_cannot_look_does_not_beat(monkeypatch) -> None:
    from django.db import OperationalError

    from apps.tasks.schedules import firing

    def fail() -> int:
        raise OperationalError("server closed the connection")

    scheduler = Scheduler()
    with monkeypatch.context() as patch:
        patch.setattr(firing, "earliest", fail)
        scheduler.look()
        assert not WorkerProcess.objects.exists()
    scheduler.look()
    assert WorkerProcess.objects.get().kind == "scheduler"
