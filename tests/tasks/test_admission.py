"""Places of limited tasks: given from the rows, one for each that is free."""

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.tasks import ledger, states
from apps.tasks.ledger.admission import LINES, PAGE, TURN_OF_THE_OLDEST
from apps.tasks.models import Limit, LimitedStart, TaskStatus
from apps.tasks.statements import lines
from apps.tasks.values import Claim, Outcome, Report, Send

pytestmark = pytest.mark.django_db

WORKER = uuid.uuid4()
NAME = "acting.limited"


def limit(**values: Any) -> Limit:
    return Limit.objects.create(task_name=NAME, **values)


def send(count: int = 1, *, line: str = "", **values: Any) -> list[str]:
    sends = [
        Send(task_id=str(uuid.uuid4()), task_name=NAME, queue_name="default", line=line, **values) for _ in range(count)
    ]
    ledger.record(sends)
    return [one.task_id for one in sends]


def admit(lines: list[str] | None = None, *, threads: int = 4) -> list[str]:
    return [row.task_id for row in ledger.admit(NAME, lines, threads=threads).rows]


def claim(task_id: str) -> Claim:
    row, claim_id = TaskStatus.objects.get(task_id=task_id), uuid.uuid4()
    held, _ = ledger.claim([(task_id, row.attempt)], claim_id=claim_id, worker_id=WORKER)
    assert [one.task_id for one in held] == [task_id]
    assert held[0].line == row.line
    return Claim(task_id=task_id, row_id=row.pk, attempt=row.attempt, claim_id=claim_id, worker_id=WORKER)


def end(task_id: str, move: states.Move = states.COMPLETE, **values: Any) -> None:
    found: dict[str, Any] = {"ran_ms": 5.0, "line": "", **values}
    assert ledger.finish([Outcome(claim=claim(task_id), move=move, **found)])[0].took


def test_a_limited_task_waits_in_line_and_cannot_be_claimed() -> None:
    limit(concurrency=1)
    (task_id,) = send()
    held, refusals = ledger.claim([(task_id, 0)], claim_id=uuid.uuid4(), worker_id=WORKER)
    assert held == []
    assert refusals == [ledger.Refusal(task_id=task_id)]
    assert ledger.claim_suspect(task_id, 0, claim_id=uuid.uuid4(), worker_id=WORKER) is None
    assert ledger.due_after(0, limit=10) == []


def test_as_many_are_admitted_as_have_places() -> None:
    limit(concurrency=2)
    sent = send(5)
    assert admit() == sent[:2]
    assert admit() == []
    end(sent[0])
    assert admit() == sent[2:3]


def test_the_many_of_a_send_are_admitted_alike() -> None:
    limit(concurrency=1)
    sent = send(3, args="[1]", owner_id=None)
    assert [row.args for row in TaskStatus.objects.in_line()] == [[1]] * 3
    assert admit() == sent[:1]


@pytest.mark.parametrize("move", [states.COMPLETE, states.FAIL, states.CANCEL_CLAIMED, states.RETRY, states.RELEASE])
def test_every_end_of_an_attempt_gives_its_place_up(move: states.Move) -> None:
    limit(concurrency=1)
    sent = send(2)
    assert admit() == sent[:1]
    end(sent[0], move, error_message="why", delay_ms=60_000)
    assert admit() == sent[1:]


def test_a_task_that_is_cancelled_or_expires_while_it_waits_or_has_a_place_frees_it() -> None:
    limit(concurrency=1)
    first, second, third, fourth = send(4)
    assert admit() == [first]
    assert ledger.cancel(first)
    assert ledger.cancel(second)
    assert admit() == [third]
    TaskStatus.objects.filter(task_id=third).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ledger.expire_waiting() == 1
    assert admit() == [fourth]
    assert lines.actors() == []


def test_the_task_of_a_dead_worker_stands_in_line_again_before_all_others() -> None:
    limit(concurrency=1)
    first, second = send(2)
    assert admit() == [first]
    claim(first)
    assert admit() == []
    assert ledger.rescue(WORKER, max_crashes=3) == (1, 0)
    assert [row.task_id for row in ledger.take_due(limit=10)] == [first]
    assert TaskStatus.objects.get(task_id=first).in_line
    assert admit() == [first]
    assert second not in admit()


def test_a_delayed_task_takes_its_place_when_its_time_has_come() -> None:
    limit(concurrency=1)
    (delayed,) = send(delay_ms=60_000)
    assert admit() == []
    TaskStatus.objects.filter(task_id=delayed).update(run_at=timezone.now() - timedelta(seconds=1))
    assert [row.line for row in ledger.take_due(limit=10)] == [""]
    assert ledger.still_due(ledger.due_after(0, limit=10)) == []
    assert admit() == [delayed]
    assert [row.task_id for row in ledger.due_after(0, limit=10)] == [delayed]


def test_a_task_that_was_put_off_is_not_claimed_before_it_has_a_place_again() -> None:
    """Its message may still be in Redis."""
    limit(concurrency=1)
    first, second = send(2)
    assert admit() == [first]
    ledger.postpone([first], delay_ms=0)
    assert admit() == [second]
    held, refusals = ledger.claim([(first, 0)], claim_id=uuid.uuid4(), worker_id=WORKER)
    assert (held, refusals) == ([], [ledger.Refusal(task_id=first)])
    assert ledger.claim_suspect(first, 0, claim_id=uuid.uuid4(), worker_id=WORKER) is None


def test_a_row_that_another_program_ended_has_no_place() -> None:
    limit(concurrency=1)
    first, second = send(2)
    assert admit() == [first]
    TaskStatus.objects.filter(task_id=first).update(status="cancelled")
    assert admit() == [second]


def test_each_key_has_the_limit_for_itself() -> None:
    limit(concurrency=1)
    first = send(2, line="1")
    second = send(2, line="2")
    assert admit() == [first[0], second[0]]
    end(first[0], line="1")
    assert admit(["2"]) == []
    assert admit(["1", "2"]) == [first[1]]


def test_more_lines_than_a_page_are_looked_at_page_by_page() -> None:
    limit(concurrency=1)
    names = sorted(f"{number:05}" for number in range(LINES + 1))
    ledger.record([Send(task_id=str(uuid.uuid4()), task_name=NAME, queue_name="default", line=name) for name in names])
    found = ledger.admit(NAME, threads=4)
    assert (len(found.rows), found.last_line) == (LINES, names[LINES - 1])
    found = ledger.admit(NAME, after=found.last_line, threads=4)
    assert (len(found.rows), found.last_line) == (1, None)


def test_one_look_admits_a_page_at_most() -> None:
    limit(concurrency=PAGE + 10)
    send(PAGE + 5)
    assert [len(admit()) for _ in range(3)] == [PAGE, 5, 0]


def test_a_heavy_task_takes_more_places_and_lighter_ones_do_not_pass_it() -> None:
    limit(concurrency=3)
    light, heavy, last = send(weight=1) + send(weight=3) + send(weight=1)
    assert admit() == [light]
    end(light)
    assert admit() == [heavy]
    end(heavy)
    assert admit() == [last]


def test_a_task_that_weighs_more_than_a_lowered_limit_runs_alone() -> None:
    row = limit(concurrency=3)
    heavy, light = send(weight=3) + send(weight=1)
    Limit.objects.filter(pk=row.pk).update(concurrency=2)
    assert admit() == [heavy]
    assert admit() == []
    end(heavy)
    assert admit() == [light]


def test_a_limit_of_no_places_lets_all_wait() -> None:
    row = limit(concurrency=0)
    sent = send(2)
    assert admit() == []
    Limit.objects.filter(pk=row.pk).update(concurrency=None)
    assert admit() == sent


def test_the_tasks_of_a_limit_that_was_lifted_are_admitted() -> None:
    sent = send(3)
    assert admit() == sent


def test_the_tasks_of_an_actor_of_newer_code_wait_a_while_for_its_limit() -> None:
    (first,) = send()
    assert ledger.admit(NAME, threads=4, is_known=False).rows == []
    TaskStatus.objects.update(run_at=timezone.now() - timedelta(minutes=2))
    assert [row.task_id for row in ledger.admit(NAME, threads=4, is_known=False).rows] == [first]


# --- Rates ---


def started(task_id: str, *, seconds_ago: float) -> None:
    TaskStatus.objects.filter(task_id=task_id).update(started_at=timezone.now() - timedelta(seconds=seconds_ago))


def test_a_rate_counts_the_starts_of_any_stretch_of_its_length() -> None:
    limit(rate_limit="2/m")
    sent = send(4)
    assert admit() == sent[:2]
    for task_id in sent[:2]:
        end(task_id)
    found = ledger.admit(NAME, threads=4)
    assert found.rows == []
    assert 55_000 < found.again_ms[""] <= 60_000
    started(sent[0], seconds_ago=60.1)
    assert admit() == sent[2:3]
    started(sent[1], seconds_ago=59.0)
    assert admit() == []


def test_a_task_with_a_place_that_has_not_started_counts_for_the_rate() -> None:
    limit(rate_limit="1/s")
    first, _ = send(2)
    assert admit() == [first]
    claim(first)
    assert admit() == []


@pytest.mark.parametrize("move", [states.RETRY, states.RELEASE])
def test_the_start_of_an_attempt_that_runs_again_still_counts(move: states.Move) -> None:
    limit(rate_limit="2/m")
    first, second, _ = send(3)
    assert admit() == [first, second]
    end(first, move, error_message="why")
    end(second)
    assert LimitedStart.objects.count() == 1
    assert admit() == []


def test_the_start_that_died_with_its_worker_still_counts() -> None:
    limit(rate_limit="1/m")
    first, _ = send(2)
    assert admit() == [first]
    claim(first)
    ledger.rescue(WORKER, max_crashes=3)
    ledger.take_due(limit=10)
    assert admit() == []


def test_the_start_of_a_task_that_is_retried_by_hand_still_counts() -> None:
    limit(rate_limit="1/m")
    (first,) = send()
    assert admit() == [first]
    end(first, states.FAIL, error_message="why")
    assert ledger.retry(first)
    ledger.take_due(limit=10)
    assert admit() == []
    assert ledger.cancel(first)
    assert ledger.retry_many([TaskStatus.objects.get(task_id=first).pk]) != set()
    ledger.take_due(limit=10)
    assert admit() == []


def test_a_task_that_never_started_does_not_count_for_the_rate() -> None:
    limit(rate_limit="1/m")
    first, second = send(2)
    assert admit() == [first]
    assert ledger.cancel(first)
    assert admit() == [second]


def test_the_first_recorded_start_stays() -> None:
    """A later estimate could move it, and with it the stretch that a rate has counted."""
    limit(rate_limit="1/m")
    (first,) = send()
    admit()
    held = claim(first)
    ledger.report([Report(claim=held, percent=1, text="", ran_ms=2_000)])
    before = TaskStatus.objects.get(task_id=first).started_at
    ledger.report([Report(claim=held, percent=2, text="", ran_ms=100)])
    assert ledger.finish([Outcome(claim=held, move=states.COMPLETE, ran_ms=50, line="")])[0].took
    assert TaskStatus.objects.get(task_id=first).started_at == before


def test_rate_and_concurrency_hold_together() -> None:
    limit(rate_limit="3/m", concurrency=2)
    sent = send(5)
    assert admit() == sent[:2]
    end(sent[0])
    assert admit() == sent[2:3]
    end(sent[1])
    assert admit() == []


def test_old_starts_are_forgotten() -> None:
    for days in (1, 15):
        LimitedStart.objects.create(task_name=NAME, line="", weight=1, started_at=timezone.now() - timedelta(days=days))
    assert ledger.forget_starts() == 1
    assert LimitedStart.objects.count() == 1


# --- Urgency ---


def test_the_more_urgent_task_is_admitted_first() -> None:
    limit(concurrency=1)
    late, urgent = send(priority=5) + send(priority=0)
    assert admit() == [urgent]
    end(urgent)
    assert admit() == [late]


def test_a_task_that_is_never_urgent_has_its_turn() -> None:
    limit(concurrency=1)
    (patient,) = send(priority=9)
    admitted = []
    counts: Counter[str] = Counter()
    for _ in range(TURN_OF_THE_OLDEST):
        send(2, priority=0)
        (task_id,) = [row.task_id for row in ledger.admit(NAME, threads=4, counts=counts).rows]
        admitted.append(task_id)
        end(task_id)
    assert admitted[-1] == patient


def test_the_patient_task_of_each_line_has_its_turn() -> None:
    limit(concurrency=1)
    patient = [send(priority=9, line=line)[0] for line in "abc"]
    counts: Counter[str] = Counter()
    for _ in range(TURN_OF_THE_OLDEST):
        for line in "abc":
            send(2, priority=0, line=line)
        admitted = ledger.admit(NAME, threads=4, counts=counts).rows
        for row in admitted:
            end(row.task_id, line=row.line)
    assert [row.task_id for row in admitted] == patient


def test_a_heavy_task_whose_turn_it_is_keeps_it_until_there_is_room() -> None:
    limit(concurrency=3)
    counts = Counter({"a": TURN_OF_THE_OLDEST - 1})
    heavy = send(priority=9, weight=3, line="a")
    (busy,) = send(line="b")
    assert [row.task_id for row in ledger.admit(NAME, ["b"], threads=4, counts=counts).rows] == [busy]
    send(5, line="a")
    assert [row.task_id for row in ledger.admit(NAME, ["a"], threads=4, counts=counts).rows] == heavy


def test_an_actor_that_the_code_limits_waits_for_the_row_of_its_limit() -> None:
    send(1)
    found = ledger.admit(NAME, threads=4, is_limited=True)
    assert (found.rows, found.lacks_limit) == ([], True)


# --- Turns ---


def test_keys_take_turns() -> None:
    limit(is_fair=True)
    many = send(100, line="big")
    few = send(1, line="small")
    assert admit(threads=3) == [many[0], few[0], *many[1:4]]


def test_no_more_tasks_are_handed_out_than_run_soon() -> None:
    limit(is_fair=True)
    many = send(100, line="big")
    assert len(admit(threads=3)) == 5
    end(many[0], line="big")
    late = send(1, line="late")
    assert admit(threads=3) == late
    assert admit(threads=3) == []


def test_a_key_with_long_tasks_leaves_threads_to_the_others() -> None:
    limit(is_fair=True)
    many = send(100, line="big")
    assert admit(threads=16) == many[:12]
    assert admit(threads=16) == []
    # A second one with many takes no more of them than a quarter of all.
    more = send(100, line="more")
    assert admit(threads=16) == more[:4]
    few = [send(1, line=name)[0] for name in "abc"]
    assert admit(threads=16) == few


def test_many_keys_take_all_threads_together() -> None:
    limit(is_fair=True)
    sent = [send(4, line=f"{number:02}") for number in range(20)]
    assert admit(threads=16) == [tasks[0] for tasks in sent]


def test_keys_with_long_tasks_leave_threads_to_the_others_together() -> None:
    limit(is_fair=True)
    many, more = send(100, line="a"), send(100, line="b")
    assert Counter(task_id in many for task_id in admit(threads=16)) == {True: 6, False: 6}
    end(more[0], line="b")
    assert admit(threads=16) == many[6:7]
    assert admit(threads=16) == []
    few = send(1, line="c")
    assert admit(threads=16) == few


def test_each_key_has_one_turn_a_round() -> None:
    limit(is_fair=True, concurrency=1)
    tasks = {name: send(3, line=name) for name in "abc"}
    order = []
    for _ in range(9):
        (task_id,) = admit()
        order += [name for name, sent in tasks.items() if task_id in sent]
        end(task_id, line=order[-1])
    assert order == list("abcabcabc")


def test_a_key_that_comes_later_has_its_turn_in_the_same_round() -> None:
    limit(is_fair=True, concurrency=1)
    first = send(3, line="b")
    assert admit() == first[:1]
    other = send(1, line="a")
    end(first[0], line="b")
    assert admit() == other


def test_a_heavy_task_is_not_passed_by_other_keys() -> None:
    limit(is_fair=True, concurrency=2)
    light, heavy, other = send(line="a") + send(line="b", weight=2) + send(line="c")
    assert admit() == [light]
    end(light, line="a")
    assert admit() == [heavy]
    end(heavy, line="b")
    assert admit() == [other]


def test_lines_are_found_in_order_and_one_by_one() -> None:
    for name in ("b", "a", "c", ""):
        send(2, line=name)
    assert lines.lines_of(NAME, after=None, limit=10) == ["", "a", "b", "c"]
    assert lines.lines_of(NAME, after="", limit=2) == ["a", "b"]
    assert lines.lines_of(NAME, after="c", limit=10) == []
    assert lines.actors() == [NAME]
