"""Why a task waits, runs or has ended: one sentence for operators, one for its owner."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.tasks import health, ledger, pauses, states
from apps.tasks.models import Limit, LimitedStart, Schedule, ScheduleSlot, TaskStatus, WorkerProcess
from apps.tasks.reasons import facts
from apps.tasks.values import Claim, Outcome
from tests import rows

pytestmark = pytest.mark.django_db

#: A time that is long over for a task, and short for a worker's heartbeat.
MINUTE = timedelta(minutes=1)
NO_ONE = "Waiting: no tasks are being worked on at the moment. Nothing is lost, and this goes on by itself."


@pytest.fixture(autouse=True)
def without_servers(monkeypatch) -> None:
    """Redis is looked at by a test of its own."""
    monkeypatch.setattr(health, "servers", {})


def living(*kinds: str, **values: Any) -> WorkerProcess:
    """Let processes live. The worker, if it is among them, has the values."""
    found = rows.worker_process(**{"taken_at": timezone.now(), **values}) if "worker" in kinds else None
    for kind in {*kinds} - {"worker"}:
        rows.worker_process(kind=kind)
    return found  # type: ignore[return-value]


def waiting(**values: Any) -> TaskStatus:
    return rows.task("acting.add", **values)


def limited(limit: dict[str, Any] | None = None, **values: Any) -> TaskStatus:
    if limit is not None:
        Limit.objects.create(task_name="acting.add", **limit)
    return waiting(line="", in_line=True, **values)


# --- One case for each kind ----------------------------------------------------------------------


def delayed() -> TaskStatus:
    living("worker", "relay")
    return waiting(delayed=True, run_at=timezone.now() + timedelta(hours=2, seconds=30))


def retrying() -> TaskStatus:
    living("worker", "relay")
    task = waiting(options={"max_retries": 8})
    claim = Claim(task.task_id, task.pk, 0, uuid.uuid4(), uuid.uuid4())
    ledger.claim([(task.task_id, 0)], claim_id=claim.claim_id, worker_id=claim.worker_id)
    outcome = Outcome(claim, states.RETRY, "acting.add", None, "'isbn'", "KeyError", "", 5.0, 250_500)
    ledger.finish([outcome])
    return TaskStatus.objects.get()


def snoozing() -> TaskStatus:
    living("worker", "relay")
    return waiting(snoozes=3, delayed=True, run_at=timezone.now() + timedelta(hours=2, seconds=30))


def delayed_without_a_relay() -> TaskStatus:
    living("worker")
    return waiting(delayed=True, run_at=timezone.now() + timedelta(hours=2, seconds=30))


def due_without_a_relay() -> TaskStatus:
    living("worker")
    return waiting(delayed=True, run_at=timezone.now() - MINUTE)


def published_and_lost_without_a_relay() -> TaskStatus:
    living("worker")
    return waiting(run_at=timezone.now() - MINUTE / 2)


def without_a_worker() -> TaskStatus:
    living("relay")
    rows.worker_process(beat_at=timezone.now() - timedelta(minutes=2))
    return waiting()


def on_a_queue_without_a_worker() -> TaskStatus:
    living("worker", "relay", queues=["default"])
    return waiting(queue_name="slow")


def on_a_queue_whose_worker_is_quiet() -> TaskStatus:
    living("worker", "relay", wanted="quiet", is_quiet=True)
    rows.worker_process(wanted="stop")
    rows.worker_process(queues=["slow"])
    return waiting()


def before_a_worker_in_trouble() -> TaskStatus:
    living("worker", "relay", trouble="claims")
    return waiting()


def before_a_worker_that_takes_nothing() -> TaskStatus:
    ago = timezone.now() - timedelta(minutes=5)
    living("worker", "relay", taken_at=ago, started_at=ago)
    return waiting(run_at=ago)


def before_busy_workers() -> TaskStatus:
    living("worker", "relay", busy_threads=8)
    for _ in range(2):
        waiting(run_at=timezone.now() - MINUTE)
    waiting(queue_name="slow")
    waiting(delayed=True, run_at=timezone.now() + MINUTE)
    return waiting()


def behind_a_more_urgent_task() -> TaskStatus:
    living("worker", "relay")
    task = waiting()
    waiting(priority=-5, run_at=timezone.now() - MINUTE)
    waiting(priority=5)
    return task


def next_in_turn() -> TaskStatus:
    living("worker", "relay")
    return waiting()


def late_before_free_workers() -> TaskStatus:
    living("worker", "relay")
    return waiting(run_at=timezone.now() - MINUTE / 2)


def suspected() -> TaskStatus:
    living("worker", "relay")
    dead, task = rows.worker_process(stopped_at=timezone.now()), waiting()
    ledger.claim([(task.task_id, 0)], claim_id=uuid.uuid4(), worker_id=dead.pk)
    ledger.rescue(dead.pk, max_crashes=3)
    TaskStatus.objects.update(delayed=False)
    waiting(status=states.PROCESSING, crashes=1)
    task.refresh_from_db()
    return task


def unknown() -> TaskStatus:
    living("worker", "relay")
    task = waiting()
    reason = "No worker knows the actor 'acting.add'."
    ledger.put_off([task.task_id], delay_ms=5_000, patience_ms=600_000, reason=reason)
    task.refresh_from_db()
    return task


def on_a_paused_queue() -> TaskStatus:
    living("worker", "relay")
    pauses.pause(pauses.QUEUE, "default", by="rosa", why="The mail server is down.")
    return waiting(delayed=True, run_at=timezone.now() + MINUTE)


def of_a_paused_actor() -> TaskStatus:
    living("worker", "relay")
    pauses.pause(pauses.ACTOR, "aiwriting.debug_task")
    return rows.task("aiwriting.debug_task")


def over_its_concurrency() -> TaskStatus:
    living("worker", "relay")
    for status in (states.PROCESSING, states.PENDING):
        waiting(line="", status=status)
    limited({"concurrency": 2})
    return limited()


def over_the_concurrency_of_its_key() -> TaskStatus:
    living("worker", "relay")
    Limit.objects.create(task_name="acting.add", concurrency=1)
    waiting(line="a", status=states.PROCESSING)
    waiting(line="b", in_line=True)
    return waiting(line="a", in_line=True)


def over_its_rate() -> TaskStatus:
    living("worker", "relay")
    LimitedStart.objects.create(task_name="acting.add", line="", weight=1, started_at=timezone.now())
    waiting(line="", status=states.COMPLETED, started_at=timezone.now())
    return limited({"rate_limit": "2/m"})


def at_a_limit_of_zero() -> TaskStatus:
    living("worker", "relay")
    return limited({"concurrency": 0})


def limited_without_a_relay() -> TaskStatus:
    living("worker")
    return limited({"concurrency": 2})


def held_by_its_schedule() -> TaskStatus:
    living("worker", "relay", "scheduler")
    task = waiting(delayed=True, run_at=timezone.now() + timedelta(days=365))
    now = timezone.now()
    times = {"anchor_at": now, "decided_until": now, "next_at": now}
    schedule = Schedule.objects.create(name="nightly", task_name="acting.add", cron="0 3 * * *", **times)
    ScheduleSlot.objects.create(
        schedule=schedule, slot=now, first_slot=now, outcome="fired", task_id=task.task_id, is_open=True, is_held=True
    )
    return task


def expired() -> TaskStatus:
    living("worker")
    return waiting(expires_at=timezone.now() - MINUTE)


def claimed(**values: Any) -> TaskStatus:
    worker = living("worker", "relay", **values)
    return waiting(status=states.PROCESSING, worker_id=worker.pk, claimed_at=timezone.now())


def held_by_a_busy_worker() -> TaskStatus:
    return claimed(busy_threads=8)


def running() -> TaskStatus:
    task = claimed()
    task.started_at, task.progress_text = timezone.now() - MINUTE, "Chapter 3 of 61"
    task.save()
    return task


def just_cancelled_while_it_runs() -> TaskStatus:
    task = running()
    ledger.cancel(task.task_id)
    task.refresh_from_db()
    return task


def cancelled_while_it_runs() -> TaskStatus:
    task = just_cancelled_while_it_runs()
    TaskStatus.objects.filter(pk=task.pk).update(cancel_requested_at=timezone.now() - timedelta(seconds=9))
    task.refresh_from_db()
    return task


def cancelled_before_it_starts() -> TaskStatus:
    task = claimed()
    ledger.cancel(task.task_id)
    task.refresh_from_db()
    return task


def held_by_a_silent_worker() -> TaskStatus:
    return claimed(beat_at=timezone.now() - MINUTE)


def held_by_a_dead_worker_without_a_relay() -> TaskStatus:
    return waiting(status=states.PROCESSING, worker_id=uuid.uuid4())


def completed() -> TaskStatus:
    now = timezone.now()
    return waiting(status=states.COMPLETED, started_at=now - MINUTE, finished_at=now)


def completed_at_last() -> TaskStatus:
    now = timezone.now()
    return waiting(status=states.COMPLETED, retries=3, started_at=now - MINUTE, finished_at=now)


def failed() -> TaskStatus:
    return waiting(
        status=states.FAILED, retries=3, error_type="KeyError", error_message="'isbn'", finished_at=timezone.now()
    )


def cancelled() -> TaskStatus:
    task = waiting()
    ledger.cancel(task.task_id)
    task.refresh_from_db()
    return task


CASES: list[tuple[Callable[[], TaskStatus], str, str, str, str]] = [
    # The case, the kind, words for operators, the remedy, and the sentence for the owner. "#" is a number or a time.
    (delayed, "delay", "It is not due until #, in 2 h 0 min.", "", "Waiting: it starts in 2 h 0 min."),
    (retrying, "retry", "Its automatic retry 1 of 8 is due at #, in 4 min # s, after KeyError: 'isbn'.", "",
     "It did not work. It will be tried again in 4 min # s."),
    (snoozing, "snooze", "It put itself off until #, in 2 h 0 min.", "", "Waiting: it starts in 2 h 0 min."),
    (delayed_without_a_relay, "delay", "It is not due until #, in 2 h 0 min.",
     "No relay lives, so start manage.py runrelay.", "Waiting: it starts in 2 h 0 min."),
    (due_without_a_relay, "no_relay", "It has been due for #, and no relay lives that hands it out.",
     "Start manage.py runrelay.", NO_ONE),
    (published_and_lost_without_a_relay, "no_relay",
     "It has been due for #. If Redis lost its message, only a relay publishes it again.",
     "No relay lives, so start manage.py runrelay.", "Waiting for its turn: it is next."),
    (without_a_worker, "no_worker", "No worker lives.", "Start manage.py runworker.", NO_ONE),
    (on_a_queue_without_a_worker, "no_worker", "No living worker takes its queue slow.",
     "Start manage.py runworker --queues slow.", NO_ONE),
    (on_a_queue_whose_worker_is_quiet, "no_worker",
     "All workers of its queue default are quiet or stop: they take nothing new.",
     "Let one work again, or start another.", NO_ONE),
    (before_a_worker_in_trouble, "stalled", "Its worker web-1:4121 lives and takes nothing. It cannot claim tasks.",
     "Look at its log, then stop it with SIGTERM: its supervisor starts another.", NO_ONE),
    (before_a_worker_that_takes_nothing, "stalled", "Its worker web-1:4121 lives and takes nothing.",
     "Look at its log, then stop it with SIGTERM: its supervisor starts another.", NO_ONE),
    (before_busy_workers, "busy", "All 8 threads of the workers on its queue are busy, 2 tasks are before it.",
     "Wait, or start more workers.", "Waiting for its turn: 2 tasks are before it."),
    (behind_a_more_urgent_task, "behind", "1 task is before it on its queue default.", "",
     "Waiting for its turn: 1 task is before it."),
    (next_in_turn, "next", "A worker takes it within a moment.", "", "Waiting for its turn: it is next."),
    (late_before_free_workers, "late",
     "It has been due for #, although workers of its queue have free threads.",
     "Look at their log and at that of the relay.", "Waiting for its turn: it is next."),
    (suspected, "suspect",
     "A worker died while it held the task, so that such tasks run by turns: 1 such task runs now.", "",
     "It was interrupted. It will be tried again soon."),
    (unknown, "unknown", "No worker can take it since #: No worker knows the actor 'acting.add'.",
     "Start workers with code that can, or cancel it. It fails after 10 minutes.",
     "Waiting: the site is being updated."),
    (on_a_paused_queue, "paused", "Its queue default is paused since #, by rosa: The mail server is down.",
     "Resume the queue.", "Waiting: this kind of work is paused at the moment."),
    (of_a_paused_actor, "paused", "Its actor aiwriting.debug_task is paused since #.",
     "Resume the actor.", "Waiting: this kind of work is paused at the moment."),
    (over_its_concurrency, "limit",
     "It waits for a place of its limit, 2 of its 2 places are taken, 1 task is before it.", "",
     "Waiting for its turn: 1 task is before it."),
    (over_the_concurrency_of_its_key, "limit",
     "It waits for a place of its limit for a, 1 of its 1 place is taken, it is next.", "",
     "Waiting for its turn: it is next."),
    (over_its_rate, "limit",
     "It waits for a place of its limit, 2 started within the last 1 min 0 s, as many as it allows, it is next.", "",
     "Waiting for its turn: it is next."),
    (at_a_limit_of_zero, "limit", "The limit of its actor is 0: none of its tasks starts.", "Raise the limit.",
     "Waiting: this kind of work is paused at the moment."),
    (limited_without_a_relay, "no_relay", "It waits for a place of its limit, and no relay lives that gives it one.",
     "Start manage.py runrelay.", NO_ONE),
    (held_by_its_schedule, "schedule", "It waits for the previous run of its schedule nightly.", "",
     "Waiting for the run before it."),
    (expired, "expired", "It had to start before #: a relay fails it.",
     "No relay lives, so start manage.py runrelay.", "It was not started in time."),
    (held_by_a_busy_worker, "held",
     "The worker web-1:4121 holds it and has not started it: its 8 threads are busy.", "",
     "Waiting for its turn: it is next."),
    (running, "running", "It runs for # on web-1:4121.", "", "Chapter 3 of 61"),
    (just_cancelled_while_it_runs, "cancel", "Its cancellation was requested # s ago. Its worker interrupts it.", "",
     "Stopping"),
    (cancelled_while_it_runs, "cancel", "Its cancellation was requested # s ago, and its code has not heeded that.",
     "Code outside of Python, such as a library in C, returns first. Its stack shows where it is.", "Stopping"),
    (cancelled_before_it_starts, "cancel", "Its cancellation was requested # s ago. It does not start.", "",
     "Stopping"),
    (held_by_a_silent_worker, "lost", "Its worker web-1:4121 is silent for #: a relay takes the task back.",
     "", "It was interrupted. It will be tried again soon."),
    (held_by_a_dead_worker_without_a_relay, "lost",
     "The worker that holds it is gone, and no relay lives that takes the task back.", "Start manage.py runrelay.",
     "It was interrupted. It will be tried again soon."),
    (completed, "completed", "It completed at # after 1 min 0 s.", "", "Done"),
    (completed_at_last, "completed",
     "It completed at # after 3 automatic retries, and its last attempt took 1 min 0 s.", "", "Done"),
    (failed, "failed", "It failed at # after 3 automatic retries: KeyError: 'isbn'.", "",
     "Something went wrong on our side. If it happens again, tell support that it was task #."),
    (cancelled, "cancelled", "It was cancelled at # before it started.", "", "Cancelled"),
]  # fmt: skip


def matches(text: str, expected: str) -> bool:
    """Return whether the text is as expected, where "#" stands for a number, a time or an id."""
    return re.fullmatch(re.escape(expected).replace(r"\#", r"[\w:.,\- ]+?"), text) is not None


@pytest.mark.parametrize(
    ("case", "kind", "text", "remedy", "owner_text"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_a_task_says_why(case: Callable[[], TaskStatus], kind: str, text: str, remedy: str, owner_text: str) -> None:
    task = case()
    with CaptureQueriesContext(connection) as queries:
        reason = ledger.why(task)
    assert reason.kind == kind, reason
    assert matches(reason.text, text), reason.text
    assert reason.remedy == remedy
    assert matches(reason.owner_text, owner_text), reason.owner_text
    # Trouble has a remedy.
    assert not reason.is_trouble or reason.remedy
    assert len(queries) <= 8, [query["sql"] for query in queries]


def test_redis_that_is_away_is_the_reason_of_what_is_due_and_of_nothing_else(monkeypatch) -> None:
    living("worker", "relay")
    monkeypatch.setattr(health, "servers", {"redis": lambda: ConnectionError("refused")})
    reason = ledger.why(waiting())
    assert reason.text == "redis does not answer (ConnectionError), so no task is handed out."
    assert (reason.kind, reason.is_trouble) == ("server", True)
    assert ledger.why(waiting(delayed=True, run_at=timezone.now() + MINUTE)).kind == "delay"


def test_what_has_no_limit_of_retries_counts_them_alone() -> None:
    living("relay")
    later = {"delayed": True, "run_at": timezone.now() + MINUTE}
    task = waiting(retries=3, options={"max_retries": None}, error_type="KeyError", error_message="x", **later)
    assert "Its automatic retry 3 is due" in ledger.why(task).text


def test_a_long_line_is_counted_up_to_a_cap(monkeypatch) -> None:
    monkeypatch.setattr(facts, "MOST_BEFORE", 2)
    monkeypatch.setattr(facts, "SAMPLE", 2)
    living("worker", "relay")
    for _ in range(3):
        limited()
    Limit.objects.create(task_name="acting.add", concurrency=1)
    assert "2+ tasks are before it" in ledger.why(limited()).text
    TaskStatus.objects.update(in_line=False, line=None)
    assert ledger.why(waiting()).text == "2+ tasks are before it on its queue default."


def test_hostile_texts_are_cut_and_stay_on_one_line() -> None:
    living("relay")
    error = "\x1b[31mno\u202eon\nsecond line" + "x" * 1_000_000
    later = {"delayed": True, "run_at": timezone.now() + MINUTE}
    text = ledger.why(waiting(retries=1, error_type="KeyError", error_message=error, **later)).text
    assert not {"\n", "\x1b", "\u202e"} & set(text)
    assert len(text) < 400


@pytest.mark.parametrize("options", [[], "text", None, {"max_retries": "many"}, {"max_retries": True}])
def test_odd_options_of_another_program_do_no_harm(options: Any) -> None:
    living("relay")
    later = {"delayed": True, "run_at": timezone.now() + MINUTE}
    task = waiting(retries=1, error_message="x", options=options if options is not None else {}, **later)
    assert ledger.why(task).kind == "retry"
