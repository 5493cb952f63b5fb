"""Firing: slots that have come become tasks, each once, by the schedule's policies."""

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dramatiq
import pytest
from django.db import connection, transaction
from periodiq import cron

from apps.tasks import ledger, states
from apps.tasks.errors import CannotRunError
from apps.tasks.models import Schedule, ScheduleSlot, TaskStatus
from apps.tasks.schedules import actions, clock, declared, firing, history
from tests.at_once import at_once
from workers.process.stop_request import StopRequest
from workers.scheduler import Scheduler

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

MINUTE = timedelta(minutes=1)
START = datetime(2026, 11, 23, 8, 0, 1, tzinfo=UTC)


class Clock:
    """The time of the test."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> int:
        """Let time pass and fire the due slots. Return the number of tasks that were sent."""
        self.now += timedelta(**span)
        return firing.fire_due()


@pytest.fixture
def time(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "now", found)
    return found


@pytest.fixture
def make(time):
    """Make a schedule of every minute that says 1."""

    def schedule(name: str = "a", **values) -> Schedule:
        values = {"task_name": "acting.say", "kwargs": {"value": 1}, "cron": "* * * * *"} | values
        made = Schedule(name=name, **values)
        actions.make(made)
        return made

    return schedule


@pytest.fixture
def declare(broker):
    """Declare an actor for the length of a block."""

    @contextmanager
    def actor(fn=None, **options):
        def nothing() -> None:
            return None

        made = dramatiq.actor(fn or nothing, **options)
        try:
            yield made
        finally:
            broker.actors.pop(made.actor_name, None)

    return actor


def slots(**filters) -> list[tuple[str, str, int]]:
    """Return outcome, time and count of the slots, the oldest first."""
    return [
        (slot.outcome, f"{slot.slot:%H:%M}", slot.count)
        for slot in ScheduleSlot.objects.filter(**filters).order_by("slot")
    ]


def end_all() -> None:
    """Complete all tasks."""
    for task_id in TaskStatus.objects.unfinished().values_list("task_id", flat=True):
        assert ledger.cancel(task_id)


# --- Declared --------------------------------------------------------------------------------------


def test_the_declared_schedules_are_rows_that_say_where_they_are_declared(time) -> None:
    declared.update()
    found = {row.name: (row.cron, row.kwargs, row.declared_in.split(":")[0]) for row in Schedule.objects.all()}
    assert found == {
        "documents.clean_expired_documents": ("0 3 * * *", {}, "apps/documents/tasks.py"),
        "projects.send_weekly_report": ("0 8 * * 1", {"report_type": "summary"}, "apps/projects/tasks.py"),
    }


def test_a_declaration_is_found_at_its_file_and_line(time) -> None:
    declared.update()
    path, line = Schedule.objects.get(name="projects.send_weekly_report").declared_in.split(":")
    with open(path) as source:
        lines = source.read().splitlines()
    assert lines[int(line) - 1].startswith("@dramatiq.actor")
    assert any("def send_weekly_report" in text for text in lines[int(line) : int(line) + 10])


def test_a_class_may_be_declared_too(time, broker) -> None:
    class Tick(dramatiq.GenericActor):
        class Meta:
            actor_name = "acting.tick"
            periodic = cron("* * * * *")

        def perform(self) -> None:
            return None

    try:
        declared.update()
        assert Schedule.objects.get(name="acting.tick").declared_in == "tests/workers/test_scheduler.py"
        assert time.forward(minutes=1) == 1
    finally:
        del broker.actors["acting.tick"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"periodic": "0 3 * * *"}, "periodic='0 3 * * *', must be a time such as periodiq.cron"),
        ({"periodic": cron("@daily"), "periodic_kwargs": ["a"]}, "periodic_kwargs=['a'], must be a dict of JSON"),
        ({"periodic": cron("@daily"), "periodic_kwargs": {"at": {1}}}, "periodic_kwargs={'at': {1}}, must be a dict"),
        ({"periodic": cron("@daily"), "periodic_kwargs": {"at": float("nan")}}, "must be a dict of JSON values"),
    ],
)
def test_a_declaration_that_no_row_can_hold_is_refused_where_it_stands(broker, declare, options, words) -> None:
    with pytest.raises(TypeError, match=re.escape(words)), declare(actor_name="acting.tick", **options):
        pass
    assert "acting.tick" not in broker.actors


def test_a_declared_slot_is_sent_with_the_declared_arguments(time) -> None:
    declared.update()
    assert time.forward(days=7) == 2
    row = TaskStatus.objects.get(task_name="projects.send_weekly_report")
    assert row.kwargs == {"report_type": "summary"}
    assert row.options == {"schedule": "projects.send_weekly_report", "slot": "2026-11-30T08:00:00Z"}


def test_a_new_declaration_is_followed_but_not_over_changes_of_the_admin(time, declare) -> None:
    with declare(actor_name="acting.tick", periodic=cron("0 3 * * *")):
        declared.update()
    with declare(actor_name="acting.tick", periodic=cron("0 4 * * *")):
        declared.update()
        schedule = Schedule.objects.get(name="acting.tick")
        assert (schedule.cron, f"{schedule.next_at:%H}") == ("0 4 * * *", "04")
        actions.change(schedule, {"cron": "0 5 * * *"})
    with declare(actor_name="acting.tick", periodic=cron("0 6 * * *")):
        declared.update()
        schedule.refresh_from_db()
        assert (schedule.cron, schedule.is_overridden) == ("0 5 * * *", True)
        actions.undo_override(schedule)
        assert (schedule.cron, schedule.is_overridden, f"{schedule.next_at:%H}") == ("0 6 * * *", False, "06")


def test_an_actor_that_is_periodic_no_more_is_not_fired(time, declare) -> None:
    with declare(actor_name="acting.tick", periodic=cron("* * * * *")):
        declared.update()
    with declare(actor_name="acting.tick"):
        assert time.forward(minutes=1) == 0


def test_a_schedule_of_the_admin_has_no_declared_time_to_go_back_to(time, make) -> None:
    schedule = make()
    actions.undo_override(schedule)
    assert schedule.cron == "* * * * *"


# --- Once ----------------------------------------------------------------------------------------------


def test_a_slot_becomes_one_task_however_often_it_is_fired(time, make) -> None:
    make()
    assert [time.forward(seconds=58), time.forward(seconds=1), time.forward(seconds=1)] == [0, 1, 0]
    assert TaskStatus.objects.get().kwargs == {"value": 1}
    assert slots() == [("fired", "08:01", 1)]


def test_a_clock_that_goes_back_fires_nothing_twice(time, make) -> None:
    make()
    assert time.forward(minutes=1) == 1
    assert time.forward(hours=-1) == 0
    assert time.forward(hours=1) == 0
    assert time.forward(minutes=1) == 1


def test_a_schedule_that_was_ahead_with_a_wrong_clock_has_slots_again_when_it_is_resumed(time, make) -> None:
    schedule = make()
    time.forward(days=300)
    assert time.forward(days=-300, minutes=1) == 0
    actions.pause(schedule)
    actions.resume(schedule)
    assert time.forward(minutes=1) == 1


def test_a_slot_that_was_forgotten_in_the_history_is_not_fired_again(time, make) -> None:
    schedule = make()
    time.forward(minutes=1)
    ScheduleSlot.objects.all().delete()
    Schedule.objects.filter(pk=schedule.pk).update(next_at=time.now)
    assert time.forward(seconds=0) == 0


def test_a_slot_that_comes_twice_has_one_task(time, make) -> None:
    schedule = make()
    before = schedule.decided_until, schedule.next_at
    time.forward(minutes=1)
    Schedule.objects.filter(pk=schedule.pk).update(decided_until=before[0], next_at=before[1])
    time.forward(seconds=0)
    assert TaskStatus.objects.count() == ScheduleSlot.objects.count() == 1


def test_a_firing_is_written_whole_or_not_at_all(time, make, monkeypatch) -> None:
    make()

    def fail(messages) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(dramatiq.get_broker(), "send_many", fail)
        time.forward(minutes=1)
    assert (TaskStatus.objects.count(), ScheduleSlot.objects.count()) == (0, 0)
    assert time.forward(seconds=60) == 1


# --- Missed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missed_policy", "expected"),
    [
        ("once", [("missed", "08:04", 4), ("fired", "08:05", 1)]),
        ("all", [("fired", f"08:0{minute}", 1) for minute in range(1, 6)]),
        ("skip", [("missed", "08:05", 5)]),
    ],
)
def test_after_several_slots_without_a_scheduler(time, make, missed_policy, expected) -> None:
    schedule = make(missed_policy=missed_policy)
    sent = time.forward(minutes=5, seconds=30)
    assert slots() == expected
    assert sent == TaskStatus.objects.count() == sum(outcome == "fired" for outcome, _, _ in expected)
    schedule.refresh_from_db()
    assert schedule.missed_count == sum(count for outcome, _, count in expected if outcome == "missed")
    assert time.forward(seconds=30) == 1


def test_slots_of_a_paused_schedule_are_not_missed(time, make) -> None:
    schedule = make(missed_policy="all")
    time.forward(minutes=1)
    actions.pause(schedule)
    assert time.forward(minutes=10) == 0
    actions.resume(schedule)
    assert [time.forward(seconds=0), time.forward(minutes=1)] == [0, 1]
    assert slots() == [("fired", "08:01", 1), ("fired", "08:12", 1)]


def test_slots_before_a_change_of_the_time_are_missed(time, make) -> None:
    schedule = make()
    time.now += 3 * MINUTE
    actions.change(schedule, {"cron": "0 * * * *"})
    assert (schedule.missed_count, f"{schedule.next_at:%H:%M}") == (3, "09:00")
    assert slots() == [("missed", "08:03", 3)]


def test_a_slot_that_waited_for_its_jitter_when_the_time_was_changed_was_missed(time, make) -> None:
    schedule = make(cron="0 9 * * *", jitter_seconds=3_600)
    time.now = START.replace(hour=9)
    assert time.forward(seconds=0) == 0
    actions.change(schedule, {"cron": "0 10 * * *"})
    assert slots() == [("missed", "09:00", 1)]
    assert (schedule.missed_count, time.forward(hours=2)) == (1, 1)


# --- Overlap -------------------------------------------------------------------------------------------


def test_a_slot_is_skipped_while_the_last_run_is_not_done(time, make) -> None:
    make(overlap="skip")
    assert [time.forward(minutes=1), time.forward(minutes=1)] == [1, 0]
    end_all()
    assert time.forward(minutes=1) == 1
    assert slots() == [("fired", "08:01", 1), ("skipped", "08:02", 1), ("fired", "08:03", 1)]


def test_a_queued_slot_waits_for_the_run_before_it(time, make) -> None:
    make(overlap="queue")
    time.forward(minutes=1)
    time.forward(minutes=1)
    time.forward(minutes=1)
    first, second, third = TaskStatus.objects.order_by("pk")
    assert TaskStatus.objects.due().get() == first
    assert firing.start_held() == 0
    ledger.cancel(first.task_id)
    assert firing.start_held() == 1
    assert TaskStatus.objects.due().get() == second
    assert firing.start_held() == 0
    ledger.cancel(second.task_id)
    assert firing.start_held() == 1
    assert TaskStatus.objects.due().get() == third


def test_the_run_by_hand_is_a_run_before_too(time, make) -> None:
    schedule = make()
    task_id = actions.run_now(schedule)
    time.forward(minutes=1)
    assert TaskStatus.objects.due().get().task_id == task_id
    ledger.cancel(task_id)
    assert firing.start_held() == 1
    assert TaskStatus.objects.due().count() == 1


def test_a_slot_for_which_another_task_stands_names_that_task(time, make, declare) -> None:
    with declare(actor_name="acting.unique", unique=True) as actor:
        schedule = make(task_name="acting.unique", kwargs={}, overlap="queue")
        standing = actor.send()
        assert time.forward(minutes=1) == 1
        assert actions.run_now(schedule) == standing.message_id
        time.forward(minutes=1)
        assert set(ScheduleSlot.objects.values_list("task_id", "is_held")) == {(standing.message_id, False)}
        actions.delete(schedule)
        assert TaskStatus.objects.get().cancel_requested_at is None, "the schedule's history is not its own"


def test_a_schedule_whose_debounced_task_would_wait_for_the_run_before_it_says_why(time, make, declare) -> None:
    with declare(actor_name="acting.debounced", debounce=MINUTE):
        schedule = make(task_name="acting.debounced", kwargs={}, overlap="queue")
        assert time.forward(minutes=1) == 1
        time.forward(minutes=1)
        schedule.refresh_from_db()
        assert "has debounce" in schedule.problem


def test_very_many_that_wait_are_looked_at_in_few_statements(time, make, django_assert_max_num_queries) -> None:
    for number in range(20):
        make(f"s {number}", missed_policy="all")
    time.forward(minutes=10)
    assert ScheduleSlot.objects.filter(is_held=True).count() == 180
    with django_assert_max_num_queries(1):
        assert firing.start_held() == 0
    # One for each new held task, and ten.
    with django_assert_max_num_queries(30):
        time.forward(minutes=1)


def test_a_cancelled_held_task_delays_no_other(time, make) -> None:
    make()
    for _ in range(3):
        time.forward(minutes=1)
    first, second, third = TaskStatus.objects.order_by("pk")
    ledger.cancel(second.task_id)
    ledger.cancel(first.task_id)
    assert firing.start_held() == 1
    assert TaskStatus.objects.due().get() == third


def test_the_slots_that_are_made_up_wait_for_each_other(time, make) -> None:
    make(missed_policy="all")
    assert time.forward(minutes=5, seconds=30) == 5
    assert TaskStatus.objects.due().count() == 1


def test_held_tasks_are_cancelled_when_the_schedule_is_deleted(time, make) -> None:
    schedule = make()
    for _ in range(3):
        time.forward(minutes=1)
    actions.delete(schedule)
    assert list(TaskStatus.objects.order_by("pk").values_list("status", flat=True)) == [
        states.PENDING, states.CANCELLED, states.CANCELLED,
    ]  # fmt: skip
    assert Schedule.objects.count() == ScheduleSlot.objects.count() == 0


# --- Times ---------------------------------------------------------------------------------------------


def test_an_interval_starts_when_it_was_made_and_is_counted_from_there(time, make) -> None:
    make(cron="", interval_seconds=90)
    assert [time.forward(seconds=89), time.forward(seconds=1), time.forward(seconds=90)] == [0, 1, 1]
    assert [f"{slot.slot:%M:%S}" for slot in ScheduleSlot.objects.order_by("slot")] == ["01:31", "03:01"]


def test_start_and_end_are_kept(time, make) -> None:
    schedule = make(start_at=START + 2 * MINUTE, end_at=START + 4 * MINUTE)
    sent = [time.forward(minutes=1) for _ in range(6)]
    assert sent == [0, 0, 1, 1, 0, 0]
    schedule.refresh_from_db()
    assert schedule.next_at is None


def test_a_slot_is_that_of_its_time_zone(time, make) -> None:
    schedule = make(cron="0 8 * * *", time_zone="America/New_York")
    assert f"{schedule.next_at:%H:%M}" == "13:00"


# --- Broken --------------------------------------------------------------------------------------------


def test_a_schedule_whose_actor_is_gone_leaves_the_others_alone_and_comes_back_with_it(time, make, declare) -> None:
    make("whole")
    with declare(actor_name="acting.gone"):
        make("broken", task_name="acting.gone", kwargs={}, missed_policy="all")
    assert time.forward(minutes=1) == 1
    assert slots(schedule__name="broken") == []
    with declare(actor_name="acting.gone"):
        assert time.forward(minutes=1) == 3
    assert slots(schedule__name="broken") == [("fired", "08:01", 1), ("fired", "08:02", 1)]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kwargs": {"wert": 1}}, "cannot be called with"),
        ({"kwargs": []}, "must be a JSON object"),
        ({"cron": "not a cron text"}, "4 fields"),
        ({"time_zone": "Mars/Olympus"}, "Unknown time zone"),
        ({"cron": "", "interval_seconds": None}, "neither"),
    ],
)
def test_a_schedule_that_cannot_be_fired_says_why_and_the_others_go_on(time, make, values, words) -> None:
    make("whole")
    broken = make("broken")
    Schedule.objects.filter(pk=broken.pk).update(**values)
    assert time.forward(minutes=1) == 1
    assert slots(schedule__name="whole") == [("fired", "08:01", 1)]
    assert slots(schedule__name="broken") == []
    broken.refresh_from_db()
    assert words in broken.problem


def test_an_unexpected_error_of_a_schedule_leaves_the_others_alone(time, make, monkeypatch) -> None:
    whole, odd = make("whole"), make("odd")
    missed = history.missed

    def fail(schedule, gap):
        if schedule == odd:
            raise RuntimeError("nobody foresaw this\x00")
        return missed(schedule, gap)

    monkeypatch.setattr(history, "missed", fail)
    assert time.forward(minutes=3) == 1
    assert whole.slots.count() == 2
    odd.refresh_from_db()
    assert odd.problem == "RuntimeError: nobody foresaw this"


def test_a_schedule_that_was_mended_makes_up_its_slots(time, make) -> None:
    schedule = make(missed_policy="all")
    Schedule.objects.update(kwargs={"wert": 1})
    assert time.forward(minutes=1) == 0
    actions.change(schedule, {"kwargs": {"value": 2}})
    assert time.forward(minutes=1) == 2
    schedule.refresh_from_db()
    assert schedule.problem == ""


# --- By hand -------------------------------------------------------------------------------------------


def test_a_schedule_that_is_run_now_keeps_its_slots(time, make, django_user_model) -> None:
    user = django_user_model.objects.create_user("ada")
    schedule = make()
    next_at = schedule.next_at
    task_id = actions.run_now(schedule, owner_id=user.pk)
    row = TaskStatus.objects.get(task_id=task_id)
    assert (row.kwargs, row.owner, row.status) == ({"value": 1}, user, states.PENDING)
    schedule.refresh_from_db()
    assert schedule.next_at == next_at
    assert slots() == [("by hand", "08:00", 1)]


def test_a_broken_schedule_is_not_run_now(time, make) -> None:
    schedule = make(kwargs={"wert": 1})
    with pytest.raises(CannotRunError, match="cannot be called"):
        actions.run_now(schedule)
    assert ScheduleSlot.objects.count() == TaskStatus.objects.count() == 0


# --- History -------------------------------------------------------------------------------------------


def test_history_is_pruned_by_age_and_by_count_except_for_unfinished_tasks(time, make, settings) -> None:
    settings.SCHEDULE_HISTORY_DAYS, settings.SCHEDULE_HISTORY_COUNT = 2, 3
    frequent, rare = make("frequent"), make("rare", cron="0 0 * * *")
    for _ in range(6):
        time.forward(minutes=1)
        end_all()
    time.forward(days=1)
    time.forward(days=1)
    assert ScheduleSlot.objects.filter(is_open=True).count() == 4
    end_all()
    firing.start_held()
    time.forward(minutes=1)
    history.prune()
    assert frequent.slots.count() == 3
    assert rare.slots.count() == 2
    time.forward(days=30)
    history.prune()
    assert sorted(slot.slot.month for slot in rare.slots.all()) == [12, 12]


def test_a_run_by_hand_is_pruned_too_when_it_is_done(time, make, settings) -> None:
    settings.SCHEDULE_HISTORY_COUNT = 3
    schedule = make()
    actions.pause(schedule)
    for _ in range(9):
        actions.run_now(schedule)
        time.now += MINUTE
    assert history.prune() == 0
    end_all()
    assert history.prune() == 6


def test_a_scheduler_whose_looks_have_ended_ends_so_that_it_is_replaced(monkeypatch) -> None:
    monkeypatch.setattr("workers.scheduler.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("workers.scheduler.STALLED_SECONDS", 0.1)
    stalled = Scheduler()
    monkeypatch.setattr(stalled, "look", lambda: None)
    assert stalled.run(StopRequest()) == 1


# --- Locked keys ---------------------------------------------------------------------------------


def test_a_sender_that_keeps_its_key_holds_up_no_other_schedule(make, time, declare) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer")
    with declare(actor_name="acting.locked", unique=True) as actor:
        make("locked", task_name="acting.locked", kwargs={})
        make("free")
        with transaction.atomic():
            actor.send_with_options(delay=600_000)
            assert at_once(lambda _number: time.forward(minutes=1), times=1) == [1]
            transaction.set_rollback(True)
        assert TaskStatus.objects.get().task_name == "acting.say"
        assert firing.fire_due() == 1
    assert TaskStatus.objects.filter(task_name="acting.locked").exists()
    assert ScheduleSlot.objects.filter(outcome=ScheduleSlot.FIRED).count() == 2
    assert set(Schedule.objects.values_list("problem", flat=True)) == {""}
