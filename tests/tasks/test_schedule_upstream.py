"""Bugs in the libraries' own clocks. A test that fails means that its bug is mended upstream."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pendulum
import pytest
from apscheduler.triggers.cron import CronTrigger
from cronsim import CronSim
from periodiq import cron as periodiq_cron

from apps.tasks.schedules import cron

SUNDAY = datetime(2026, 11, 29, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 24, 12, 3, tzinfo=UTC)


def ours(text: str, after: datetime, zone: str = "UTC") -> datetime | None:
    return cron.parse(text).next_after(after, ZoneInfo(zone))


def periodiq_next(text: str, after: datetime) -> datetime:
    found: datetime = periodiq_cron(text).next_valid_date(pendulum.instance(after))
    return found


@pytest.mark.parametrize("text", ["@weekly", "0 0 * * sun", "0 0 * * 0", "0 0 * * 0-6"])
def test_periodiq_never_fires_on_a_sunday(text) -> None:
    assert not periodiq_cron(text).validate(SUNDAY)
    assert ours(text, datetime(2026, 11, 28, 12, tzinfo=UTC)) == SUNDAY


def test_periodiq_looks_a_week_too_far_for_sunday_as_seven() -> None:
    assert periodiq_cron("0 0 * * 7").validate(SUNDAY)
    saturday = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert periodiq_next("0 0 * * 7", saturday) == datetime(2026, 12, 6, tzinfo=UTC)
    assert ours("0 0 * * 7", saturday) == SUNDAY


@pytest.mark.parametrize(
    ("text", "after", "theirs", "right"),
    [
        ("*/5 8-17 * * 1", TUESDAY, "2026-11-30T12:05", "2026-11-30T08:00"),
        ("0 8 * 1 *", datetime(2026, 11, 25, 7, tzinfo=UTC), "2027-01-25T08:00", "2027-01-01T08:00"),
        ("30 2 29 2 *", datetime(2026, 11, 22, tzinfo=UTC), "2027-03-01T02:30", "2028-02-29T02:30"),
    ],
)
def test_periodiq_loses_the_first_slots_of_a_later_day(text, after, theirs, right) -> None:
    assert periodiq_next(text, after).strftime("%Y-%m-%dT%H:%M") == theirs
    slot = ours(text, after)
    assert slot is not None
    assert slot.strftime("%Y-%m-%dT%H:%M") == right


def test_apscheduler_takes_monday_for_the_day_of_the_week_zero() -> None:
    slot = CronTrigger.from_crontab("0 0 * * 0", timezone=UTC).get_next_fire_time(None, TUESDAY)
    assert slot.strftime("%A") == "Monday"
    assert ours("0 0 * * 0", TUESDAY) == SUNDAY


@pytest.mark.parametrize("text", ["0 0 * * 7", "@weekly"])
def test_apscheduler_does_not_know_sunday_as_seven_nor_words(text) -> None:
    with pytest.raises(ValueError, match=r"7|fields"):
        CronTrigger.from_crontab(text, timezone=UTC)
    assert ours(text, TUESDAY) == SUNDAY


def test_apscheduler_fires_a_local_time_that_happens_twice_twice() -> None:
    paris = ZoneInfo("Europe/Paris")
    trigger = CronTrigger.from_crontab("30 2 * * *", timezone=paris)
    first = trigger.get_next_fire_time(None, datetime(2026, 10, 25, tzinfo=paris))
    again = trigger.get_next_fire_time(first, first)
    assert [timestamp.isoformat() for timestamp in (first, again)] == [
        "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00",
    ]  # fmt: skip
    assert ours("30 2 * * *", first.astimezone(UTC), "Europe/Paris") == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_cronsim_gives_a_slot_of_the_past_in_an_hour_that_happens_twice() -> None:
    asked = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert next(CronSim("30 2 * * *", asked.astimezone(ZoneInfo("Europe/Paris")))) < asked
    assert ours("30 2 * * *", asked, "Europe/Paris") == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_cronsim_loses_slots_where_the_clock_moves_by_half_an_hour() -> None:
    asked = datetime(2026, 10, 3, 12, tzinfo=UTC)
    theirs = next(CronSim("*/10 3 * * *", asked.astimezone(ZoneInfo("Australia/Lord_Howe"))))
    assert theirs.strftime("%H:%M") == "03:30"
    assert ours("*/10 3 * * *", asked, "Australia/Lord_Howe") == datetime(2026, 10, 3, 16, 0, tzinfo=UTC)


def test_cronsim_takes_a_range_of_one_number_with_a_step_for_all_that_follow() -> None:
    asked = datetime(2026, 11, 22, 0, 4, tzinfo=UTC)
    assert next(CronSim("3-3/2 * * * *", asked)).minute == 5
    assert ours("3-3/2 * * * *", asked) == datetime(2026, 11, 22, 1, 3, tzinfo=UTC)
