"""The checker of the storm finds each breach, in a small history that has it, and none in one that has none."""

import time
from dataclasses import replace
from typing import Any

import pytest

from apps.tasks import states
from tests.chaos.history import Effect, Ended, Fault, History, Row, read
from tests.chaos.invariants import INVARIANTS, PLACES, STARTS_A_SECOND
from tests.chaos.seen import Seen
from tests.chaos.verdict import judge, rescues


def sent(nonce: str, *, at: float = 10, **planned: Any) -> list[dict[str, Any]]:
    plan = {"nonce": nonce, "ends": ["completed"], "reason": "", "delay_ms": 0, "follow_ups": [], **planned}
    sending = {"word": "sending", "at": at, "began": at - 1, "planned": [plan], "keeps": [nonce]}
    return [sending, {"word": "sent", "at": at + 1, "nonces": [nonce]}]


def started(nonce: str, *, at: float = 12, attempt: int = 0) -> list[dict[str, Any]]:
    run = {"nonce": nonce, "task_id": f"id-{nonce}", "attempt": attempt}
    return [{"word": "start", "at": at, **run}, {"word": "wrote", "at": at, **run}]


def row(nonce: str, **values: Any) -> Row:
    usual = {"id": 1, "task_id": f"id-{nonce}", "task_name": "chaos.work", "queue_name": "chaos", "attempt": 0}
    return Row(**{**usual, "nonce": nonce, "status": "completed", "crashes": 0, "result": "0", **values})


def effect(nonce: str, *, attempt: int = 0) -> Effect:
    return Effect(nonce=nonce, task_id=f"id-{nonce}", attempt=attempt)


@pytest.fixture
def history() -> History:
    """One task that was sent, ran and completed."""
    return History(
        about={"database": "postgresql"},
        calm_at=100,
        notes=[*sent("a"), *started("a")],
        rows=[row("a")],
        effects=[effect("a")],
        ends={"workers": 0},
    )


def broken(history: History, **changes: Any) -> set[str]:
    """Return the invariants that the changed history breaks."""
    return set(judge(replace(history, **changes)).broken)


def test_a_good_history_has_no_breach(history: History) -> None:
    assert broken(history) == set()


def test_a_committed_send_without_a_row_is_lost(history: History) -> None:
    assert "lost" in broken(history, rows=[])


def test_half_a_transaction_is_found(history: History) -> None:
    notes = [dict(note) for note in history.notes]
    notes[0]["keeps"] = ["a", "b"]
    assert broken(history, notes=notes) == {"sent in half"}


def test_a_second_row_is_found(history: History) -> None:
    assert broken(history, rows=[row("a"), row("a", task_id="other", status="failed")]) >= {"sent twice"}


@pytest.mark.parametrize("rows", [[], [row("a")]])
def test_what_a_rolled_back_send_leaves_is_found(history: History, rows: list[Row]) -> None:
    notes = [{**history.notes[0], "keeps": []}, {"word": "rolled-back", "nonces": ["a"]}, *started("a")]
    assert "rolled back and recorded" in broken(history, notes=notes, rows=rows)


def test_a_row_that_no_send_announced_is_found(history: History) -> None:
    assert broken(history, rows=[row("a"), row("b", status="failed")]) == {"recorded and not sent"}


def test_a_run_without_a_row_is_found(history: History) -> None:
    assert "recorded and not sent" in broken(history, notes=[*history.notes, *started("b")])


def test_an_unfinished_row_is_found_and_so_is_its_wait(history: History) -> None:
    waiting = "waiting without a reason for longer than 60 s after the last fault"
    assert broken(history, rows=[row("a", status="pending", result=None)]) == {"unfinished", waiting}


def test_a_row_that_says_why_it_waits_is_no_breach(history: History) -> None:
    rows = [row("a", status="pending", queue_name="chaos-old", unknown_since=50.0)]
    assert broken(history, rows=rows) == set()
    assert judge(replace(history, rows=rows)).figures["waiting with a reason"] == 1


def test_a_reason_that_does_not_hold_is_a_breach(history: History) -> None:
    assert "unfinished" in broken(history, rows=[row("a", status="pending", unknown_since=50.0)])


def test_the_message_of_a_waiting_row_may_be_in_redis(history: History) -> None:
    rows = [row("a", status="pending", queue_name="chaos-old", unknown_since=50.0)]
    assert broken(history, rows=rows, left={"aiwriting:chaos-old": 1}) == set()


def test_a_copy_of_a_message_may_stay_where_no_worker_takes_it(history: History) -> None:
    assert broken(history, left={"aiwriting:chaos-old": 2}) == set()


def test_a_late_start_is_found_unless_every_thread_was_busy(history: History) -> None:
    waiting = "waiting without a reason for longer than 60 s after the last fault"
    late = [*sent("a"), *started("a", at=170)]
    assert broken(history, notes=late) == {waiting}
    others = [note for number in range(5) for note in (*sent(f"b{number}"), *started(f"b{number}", at=169))]
    rows = [row("a"), *(row(f"b{number}") for number in range(5))]
    effects = [effect("a"), *(effect(f"b{number}") for number in range(5))]
    found = judge(replace(history, notes=late + others, rows=rows, effects=effects)).breaches[waiting]
    assert "a" not in {breach["nonce"] for breach in found}


@pytest.mark.parametrize(
    ("planned", "values"),
    [
        ({}, {"status": "failed", "error_message": "on purpose"}),
        ({}, {"status": "cancelled"}),
        ({"ends": ["failed"], "reason": "on purpose"}, {}),
        ({"ends": ["failed"], "reason": "on purpose"}, {"status": "failed", "error_message": "another"}),
    ],
)
def test_another_end_than_the_actor_makes_is_found(history: History, planned: Any, values: Any) -> None:
    notes = [*sent("a", **planned), *started("a")]
    assert broken(history, notes=notes, rows=[row("a", **values)]) == {"ended otherwise than expected"}


def test_a_failure_that_is_expected_is_no_breach(history: History) -> None:
    notes = [*sent("a", ends=["failed"], reason="on purpose"), *started("a")]
    assert (
        broken(history, notes=notes, rows=[row("a", status="failed", error_message="RuntimeError: on purpose")])
        == set()
    )


def test_a_start_before_the_commit_is_found(history: History) -> None:
    assert broken(history, notes=[*sent("a"), *started("a", at=9.5)]) == {"started before it was committed"}


def test_a_start_before_its_time_is_found(history: History) -> None:
    assert broken(history, notes=[*sent("a", delay_ms=5_000), *started("a")]) == {"started before its time"}
    assert broken(history, rows=[row("a", run_at=13, started_at=12.9)]) == {"started before its time"}


def test_times_of_a_stepped_clock_prove_nothing(history: History) -> None:
    notes, faults = [*sent("a", delay_ms=5_000), *started("a")], [Fault(kind="clock off by +5 s", at=10)]
    assert broken(history, notes=notes, about={"database": "sqlite"}, faults=faults) == set()


def test_a_second_start_of_an_attempt_is_found(history: History) -> None:
    assert broken(history, notes=[*history.notes, *started("a", at=13)]) == {"started twice"}


def test_a_start_after_the_end_is_found(history: History) -> None:
    assert broken(history, notes=[*history.notes, *started("a", at=13, attempt=1)]) == {"started after its end"}


def test_an_attempt_that_finished_a_row_in_place_of_another_is_found(history: History) -> None:
    notes = [*history.notes, *started("a", at=13, attempt=1)]
    effects = [effect("a"), effect("a", attempt=1)]
    found = broken(history, notes=notes, rows=[row("a", attempt=1)], effects=effects)
    assert found == {"finished by another attempt"}


@pytest.mark.parametrize("effects", [[], [effect("a"), effect("a", attempt=1)]])
def test_a_transactional_effect_too_many_or_too_few_is_found(history: History, effects: list[Effect]) -> None:
    found = broken(history, rows=[row("a", task_name="chaos.commit")], effects=effects)
    assert "transactional effect twice" in found


@pytest.mark.parametrize(("at", "found"), [(19.9, set()), (20.1, {"wrote after it was cancelled"})])
def test_a_write_after_the_end_of_a_cancelled_task_is_found(history: History, at: float, found: set[str]) -> None:
    changes = {
        "notes": [*sent("a", ends=["cancelled", "completed"]), *started("a")],
        "rows": [row("a", status="cancelled", finished_at=20)],
        "effects": [replace(effect("a"), at=at)],
    }
    assert broken(history, **changes) == found


def test_an_effect_that_is_gone_is_found(history: History) -> None:
    assert broken(history, effects=[]) == {"effect lost"}


def was_read(status: str, value: Any = None) -> dict[str, Any]:
    return {"word": "read", "at": 20, "task_id": "id-a", "status": status, "value": value}


@pytest.mark.parametrize("wrong", [was_read("unknown"), was_read("FAILED"), was_read("SUCCESSFUL", 1)])
def test_a_result_that_is_read_otherwise_than_its_task_ends_is_found(history: History, wrong: Any) -> None:
    for right in (was_read("READY"), was_read("RUNNING"), was_read("SUCCESSFUL", 0)):
        assert broken(history, notes=[*history.notes, right]) == set()
    assert broken(history, notes=[*history.notes, wrong]) == {"read otherwise than it ended"}


@pytest.mark.parametrize("status", ["READY", "SUCCESSFUL"])
def test_a_result_of_a_send_that_was_rolled_back_is_found(history: History, status: str) -> None:
    notes = [{**history.notes[0], "keeps": []}, {"word": "rolled-back", "nonces": ["a"]}]
    changes: dict[str, Any] = {"rows": [], "effects": []}
    assert broken(history, notes=[*notes, was_read("unknown")], **changes) == set()
    assert broken(history, notes=[*notes, was_read(status)], **changes) == {"read otherwise than it ended"}


def test_a_result_may_be_unknown_until_a_late_commit(history: History) -> None:
    assert broken(history, notes=[history.notes[0], *started("a"), was_read("unknown")]) == set()


COUNTED = {"created_at": 9.0, "finished_at": 13.0}
TALLIED = {"sent": 1, "completed": 1, "failed": 0, "cancelled": 0, "retried": 0, "rescued": 0}


def test_counts_that_are_not_those_of_the_rows_are_found(history: History) -> None:
    changes: dict[str, Any] = {"rows": [row("a", **COUNTED)], "tallied_until": 60.0}
    assert broken(history, tallied=TALLIED, **changes) == set()
    for kind, number in TALLIED.items():
        found = broken(history, tallied=TALLIED | {kind: number + 1}, **changes)
        assert found == {"tallied otherwise than the rows say"}


def test_what_is_not_counted_yet_is_no_breach(history: History) -> None:
    later = row("a", created_at=9.0, finished_at=60.0)
    assert broken(history, rows=[later], tallied=TALLIED | {"completed": 0}, tallied_until=60.0) == set()


def test_an_end_before_a_retry_by_hand_is_counted_once_more(history: History) -> None:
    ended = [
        Ended(row_id=1, attempt=attempt, outcome=move.name, pid=7, ended_at=13)
        for attempt, move in enumerate([states.RETRY, states.RESCUE, states.FAIL, states.CANCEL_CLAIMED])
    ]
    tallied = TALLIED | {"failed": 1, "cancelled": 1, "retried": 1, "rescued": 1}
    notes = [*sent("a"), *(note for attempt in range(5) for note in started("a", attempt=attempt))]
    rows = [row("a", attempt=4, **COUNTED)]
    changes: dict[str, Any] = {"notes": notes, "rows": rows, "ended": ended, "tallied_until": 60.0}
    assert "tallied otherwise than the rows say" not in broken(history, tallied=tallied, **changes)
    assert "tallied otherwise than the rows say" in broken(history, tallied=TALLIED, **changes)


def test_a_task_that_another_one_harmed_is_found(history: History) -> None:
    ended = Ended(row_id=1, attempt=0, outcome="retry", pid=7, ended_at=13, error="the connection is closed")
    assert broken(history, ended=[ended]) == {"harmed by another task"}
    assert broken(history, ended=[ended], faults=[Fault(kind="restart of PostgreSQL", at=9, until=10)]) == set()
    notes = [*sent("a"), *started("a")]
    assert broken(history, notes=notes, rows=[row("a", task_name="chaos.leave_atomic")], ended=[ended]) == set()


def test_a_missing_follow_up_is_found(history: History) -> None:
    notes = [*sent("a", follow_ups=["b"]), *started("a")]
    assert broken(history, notes=notes) == {"follow-up missing"}
    ran = {"notes": [*notes, *started("b")], "rows": [row("a"), row("b")], "effects": [effect("a"), effect("b")]}
    assert broken(history, **ran) == set()


def test_a_follow_up_is_due_when_all_its_parents_have_ended(history: History) -> None:
    notes = [*sent("a", follow_ups=["c"]), *sent("b", follow_ups=["c"]), *started("a")]
    rows = [row("a"), row("b", status="failed")]
    assert "follow-up missing" not in broken(history, notes=notes, rows=rows)


def test_a_slot_that_fired_twice_is_found(history: History) -> None:
    ticks = [replace(row(f"tick-{number}"), nonce=None, slot="08:00") for number in range(2)]
    assert broken(history, rows=[row("a"), *ticks]) == {"slot fired twice"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"open_groups": 1}, "group not called back"),
        ({"left": {"aiwriting:chaos": 3}}, "message left in Redis"),
        ({"ends": {"workers": None}}, "process stopped badly"),
        ({"ends": {"workers": -9}}, "process stopped badly"),
    ],
)
def test_what_is_left_at_the_end_is_found(history: History, changes: Any, name: str) -> None:
    assert broken(history, **changes) == {name}


def test_a_rescue_is_measured_if_nothing_else_was_disturbed(history: History) -> None:
    kill = Fault(kind="kill -9 worker", at=20, until=20, pid=7)
    changes: dict[str, Any] = {
        "notes": [*sent("a"), *started("a"), *started("a", at=21.5, attempt=1)],
        "ended": [Ended(row_id=1, attempt=0, outcome="rescue", pid=7, ended_at=21)],
    }
    assert rescues(Seen(replace(history, faults=[kill], **changes))) == (1.5, 1)
    other = Fault(kind="delay to redis", at=5, until=19.5)
    assert rescues(Seen(replace(history, faults=[kill, other], **changes))) == (0.0, 0)


def test_a_recorded_history_is_judged_again(history: History, tmp_path: Any) -> None:
    changed = replace(history, effects=[], faults=[Fault(kind="FLUSHALL", at=time.monotonic())])
    changed.write(tmp_path)
    verdict = judge(read(tmp_path))
    assert verdict == judge(changed)
    verdict.write(tmp_path)
    assert (tmp_path / "assertions.jsonl").read_text().count("\n") == len(INVARIANTS)


def limited(task_name: str, *spans: tuple[float, float]) -> dict[str, Any]:
    """Return the rows and notes of tasks of a limited actor that ran from and until these times."""
    names = [f"n{number}" for number in range(len(spans))]
    rows = [
        row(name, task_name=task_name, started_at=began, finished_at=ended)
        for name, (began, ended) in zip(names, spans, strict=True)
    ]
    notes = [
        note for name, (began, _) in zip(names, spans, strict=True) for note in (*sent(name), *started(name, at=began))
    ]
    return {"rows": rows, "notes": notes, "effects": [effect(name) for name in names]}


def test_one_task_more_than_there_are_places_is_found(history: History) -> None:
    spans = [(50.0, 51.0)] * PLACES
    assert broken(history, **limited("chaos.limited", *spans, (51.0, 52.0))) == set()
    assert broken(history, **limited("chaos.limited", *spans, (50.9, 52.0))) == {"more at once than the limit"}


def test_one_start_more_than_the_rate_is_found(history: History) -> None:
    spans = [(50.0 + number / 1000, 60.0) for number in range(STARTS_A_SECOND)]
    assert broken(history, **limited("chaos.paced", *spans, (51.0, 60.0))) == set()
    found = broken(history, **limited("chaos.paced", *spans, (50.9, 60.0)))
    assert found == {"more starts in a second than the limit"}


def test_a_second_unfinished_task_of_a_key_is_found(history: History) -> None:
    rows = [
        row("a", key="k", created_at=10.0, finished_at=50.0),
        row("b", key="k", created_at=50.1, finished_at=60.0),
    ]
    notes = [*sent("a"), *started("a"), *sent("b"), *started("b")]
    changes: dict[str, Any] = {"notes": notes, "effects": [effect("a"), effect("b")]}
    assert broken(history, rows=rows, **changes) == set()
    rows[1] = replace(rows[1], created_at=49.0)
    assert broken(history, rows=rows, **changes) == {"two unfinished tasks of one key"}
