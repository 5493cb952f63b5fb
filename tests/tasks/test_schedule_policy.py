"""Policies for slots that have come, in plain arithmetic."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.tasks.errors import UnknownZoneError
from apps.tasks.schedules import cron, zones
from apps.tasks.schedules.policy import ALL, MOST_COUNTED, ONCE, SKIP, Policy, decide
from apps.tasks.schedules.timing import Timing

UTC_ZONE = ZoneInfo("UTC")
EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minutely(**changes) -> Timing:
    return Timing(cron=cron.parse("* * * * *"), anchor=EIGHT, zone=UTC_ZONE, **changes)


def after_five_minutes(policy: Policy, *, late: float = 0):
    """Decide the slots 08:01 to 08:05 at 08:05 and a number of seconds."""
    now = EIGHT + 5 * MINUTE + timedelta(seconds=late)
    return decide(minutely(), policy, decided_until=EIGHT, now=now)


def minutes(slots) -> list[int]:
    return [slot.minute for slot in slots]


@pytest.mark.parametrize(
    ("missed", "late", "fired", "lost"),
    [
        (ONCE, 30, [5], 4),
        (ONCE, 2, [5], 4),
        (ALL, 30, [1, 2, 3, 4, 5], 0),
        (ALL, 2, [1, 2, 3, 4, 5], 0),
        (SKIP, 30, [], 5),
        (SKIP, 2, [5], 4),
    ],
)
def test_missed_slots_are_run_once_each_or_not_at_all(missed, late, fired, lost) -> None:
    decision = after_five_minutes(Policy(missed=missed), late=late)
    assert minutes(decision.fire) == fired
    assert (decision.missed.count if decision.missed else 0) == lost
    assert decision.decided_until == EIGHT + 5 * MINUTE
    assert decision.next_at == EIGHT + 6 * MINUTE


def test_all_makes_up_the_newest_up_to_the_limit() -> None:
    decision = after_five_minutes(Policy(missed=ALL, limit=2), late=30)
    assert minutes(decision.fire) == [4, 5]
    assert decision.missed is not None
    assert (decision.missed.first.minute, decision.missed.last.minute, decision.missed.count) == (1, 3, 3)


def test_a_slot_within_the_grace_was_not_missed() -> None:
    decision = after_five_minutes(Policy(missed=SKIP, grace=2 * MINUTE), late=0)
    assert minutes(decision.fire) == [3, 4, 5]


def test_nothing_is_decided_before_its_time() -> None:
    decision = decide(minutely(), Policy(), decided_until=EIGHT, now=EIGHT + MINUTE - timedelta(microseconds=1))
    assert (decision.fire, decision.missed, decision.decided_until) == ((), None, EIGHT)
    assert decision.next_at == EIGHT + MINUTE


def test_a_clock_that_jumps_back_decides_nothing_twice() -> None:
    decision = decide(minutely(), Policy(missed=ALL), decided_until=EIGHT + 5 * MINUTE, now=EIGHT + MINUTE)
    assert decision.fire == ()
    assert decision.next_at == EIGHT + 6 * MINUTE


@pytest.mark.parametrize("years", [1, 40])
def test_a_schedule_that_was_forgotten_for_years_is_decided_in_a_moment(years) -> None:
    last = EIGHT + timedelta(days=365 * years)
    policy = Policy(missed=ALL, limit=3)
    decision = decide(minutely(), policy, decided_until=EIGHT, now=last + timedelta(seconds=30))
    assert decision.fire == (last - 2 * MINUTE, last - MINUTE, last)
    assert decision.missed is not None
    assert (decision.missed.first, decision.missed.last) == (EIGHT + MINUTE, last - 3 * MINUTE)
    assert decision.missed.count == MOST_COUNTED - 3
    assert decision.next_at == last + MINUTE


@pytest.mark.parametrize(("missed", "fired", "lost"), [(ONCE, 1, 9_999), (ALL, 100, 9_900), (SKIP, 0, 10_000)])
def test_of_very_many_slots_that_stopped_coming_long_ago_the_newest_are_made_up(missed, fired, lost) -> None:
    january = Timing(cron=cron.parse("* * * 1 *"), anchor=EIGHT, zone=UTC_ZONE)
    new_year, february = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 15, tzinfo=UTC)
    decision = decide(january, Policy(missed=missed), decided_until=new_year - MINUTE, now=february)
    last = datetime(2027, 1, 31, 23, 59, tzinfo=UTC)
    assert decision.fire == tuple(last - count * MINUTE for count in reversed(range(fired)))
    assert decision.missed is not None
    assert (decision.missed.first, decision.missed.count) == (new_year, lost)
    assert decision.next_at == datetime(2028, 1, 1, tzinfo=UTC)


# --- Timing --------------------------------------------------------------------------------------


def test_an_interval_is_counted_from_its_anchor() -> None:
    timing = Timing(every=timedelta(minutes=90), anchor=EIGHT, zone=UTC_ZONE)
    assert timing.next_after(EIGHT) == EIGHT + 90 * MINUTE
    assert timing.next_after(EIGHT + 5 * 90 * MINUTE - MINUTE) == EIGHT + 5 * 90 * MINUTE
    assert timing.next_after(EIGHT - timedelta(days=9)) == EIGHT


def test_start_and_end_may_be_slots_themselves() -> None:
    timing = minutely(begin=EIGHT + MINUTE, end=EIGHT + 3 * MINUTE)
    assert minutes(timing.upcoming(EIGHT - timedelta(days=1), count=9)) == [1, 2, 3]
    assert timing.next_after(EIGHT + 3 * MINUTE) is None


def test_an_ended_schedule_is_never_fired_again() -> None:
    decision = decide(
        minutely(end=EIGHT + 2 * MINUTE), Policy(missed=ALL), decided_until=EIGHT, now=EIGHT + timedelta(hours=1)
    )
    assert minutes(decision.fire) == [1, 2]
    assert decision.next_at is None


def test_jitter_delays_each_slot_by_some_time_that_everybody_agrees_on() -> None:
    timing = minutely(jitter=timedelta(seconds=30), key="a")
    delays = [timing.fires_at(slot) - slot for slot in timing.upcoming(EIGHT, count=200)]
    assert all(timedelta(0) <= delay < timedelta(seconds=30) for delay in delays)
    assert len(set(delays)) > 190
    assert delays == [timing.fires_at(slot) - slot for slot in timing.upcoming(EIGHT, count=200)]
    other = minutely(jitter=timedelta(seconds=30), key="b")
    assert other.fires_at(EIGHT) != timing.fires_at(EIGHT)


def test_a_slot_with_jitter_is_neither_early_nor_late_before_it_fires() -> None:
    timing = minutely(jitter=timedelta(seconds=50), key="a")
    at = timing.fires_at(EIGHT + MINUTE)
    early = decide(timing, Policy(missed=SKIP), decided_until=EIGHT, now=at - timedelta(microseconds=1))
    assert (early.fire, early.next_at) == ((), at)
    assert minutes(decide(timing, Policy(missed=SKIP), decided_until=EIGHT, now=at).fire) == [1]


@pytest.mark.parametrize("missed", [ONCE, ALL, SKIP])
def test_a_jitter_that_is_longer_than_the_time_between_two_slots_loses_none_and_doubles_none(missed) -> None:
    timing = minutely(jitter=timedelta(minutes=10), key="a")
    fired: list[datetime] = []
    until, at = EIGHT, timing.fires_at(EIGHT + MINUTE)
    while at < EIGHT + timedelta(hours=2):
        decision = decide(timing, Policy(missed=missed), decided_until=until, now=at)
        assert decision.missed is None
        assert decision.next_at is not None
        fired += decision.fire
        until, at = decision.decided_until, decision.next_at
    assert fired == timing.upcoming(EIGHT, count=len(fired))
    assert len(fired) >= 119


# --- Zones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Paris", "europe/paris", "../etc/passwd", "/etc/localtime", "\0", "localtime"])
def test_an_unknown_time_zone_is_refused_with_a_known_one(name) -> None:
    with pytest.raises(UnknownZoneError, match=r"must be a name of the tz database: \w+"):
        zones.named(name)


def test_a_file_of_another_time_scale_is_no_time_zone(tmp_path, monkeypatch) -> None:
    """`right/UTC` is 27 s off, and only some machines have it."""
    monkeypatch.setattr(zones, "ZoneInfo", lambda name: pytest.fail(f"{name} was opened"))
    with pytest.raises(UnknownZoneError, match="Unknown time zone 'right/UTC'"):
        zones.named("right/UTC")


def test_an_unknown_zone_is_refused_with_similar_ones() -> None:
    with pytest.raises(UnknownZoneError, match="Europe/Paris"):
        zones.named("Europe/Pariss")
