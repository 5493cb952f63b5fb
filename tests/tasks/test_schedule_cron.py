"""Cron texts and slots, compared with a walk from minute to minute that was written from Debian cron's manual."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest

from apps.tasks.errors import BadCronError
from apps.tasks.schedules import cron

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY_MINUTES = 24 * 60

#: Among them: shifts of half an hour and of two hours, at midnight, in both halves of the world, over the date line.
ZONES = (
    "UTC", "Europe/Paris", "Europe/London", "America/New_York", "America/St_Johns", "America/Sao_Paulo",
    "America/Havana", "America/Santiago", "America/Asuncion", "Africa/Cairo", "Africa/Casablanca", "Asia/Beirut",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Gaza", "Antarctica/Troll", "Australia/Lord_Howe",
    "Pacific/Apia", "Pacific/Chatham",
)  # fmt: skip
FIRST, LAST = datetime(2008, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEK_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


# --- The manual's rules, walked --------------------------------------------------------------------


class Manual:
    """A cron text as crontab(5) of Debian's cron explains it, with what design adds: how a gap of any length counts.

    The fields may be a `*`, numbers, ranges and lists of these; steps follow a range or a `*`; months and days of the
    week have names. "If both fields are restricted (i.e., don't contain the "*" character), the command will be run
    when either field matches the current time"; a field is not restricted where it starts with `*`. cron(8): jobs "that
    run at a specific time or with a granularity greater than one hour" that fall in the time that is skipped are run
    immediately, and none is run twice; "jobs that run more frequently are scheduled normally".
    """

    def __init__(self, text: str) -> None:
        minute, hour, day, month, week_day = text.lower().split()
        self.minutes = numbers(minute, 0, 59)
        self.hours = numbers(hour, 0, 23)
        self.days = numbers(day, 1, 31)
        self.months = numbers(month, 1, 12, names=MONTHS, first=1)
        self.week_days = {number % 7 for number in numbers(week_day, 0, 7, names=WEEK_DAYS)}
        self.both_days = day.startswith("*") or week_day.startswith("*")
        self.is_frequent = minute.startswith("*") or hour.startswith("*")

        self.dates: dict[int, bool] = {}

    def has_date(self, days: int) -> bool:
        """Return whether it runs on the day, given as the number of days since 1970 began."""
        if days not in self.dates:
            day = EPOCH.date() + timedelta(days=days)
            in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.week_days
            either = (in_month and in_week) if self.both_days else (in_month or in_week)
            self.dates[days] = day.month in self.months and either
        return self.dates[days]

    def has(self, local: int) -> bool:
        """Return whether it runs at the local time, given as the number of minutes since 1970 began."""
        return local % 60 in self.minutes and local // 60 % 24 in self.hours and self.has_date(local // DAY_MINUTES)


def numbers(text: str, low: int, high: int, *, names: list[str] | None = None, first: int = 0) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            begin, end = low, high
        else:
            ends = [names.index(end) + first if names and end in names else int(end) for end in span.split("-")]
            begin, end = ends[0], ends[-1]
        found.update(range(begin, end + 1, int(step or 1)))
    return found


@lru_cache
def changes(zone_name: str) -> list[tuple[int, int]]:
    """Return the moves of the zone's clock and the offsets from then on, in minutes. The first is the beginning."""
    zone = ZoneInfo(zone_name)

    def offset(minute: int) -> int:
        moved = (EPOCH + minute * MINUTE).astimezone(zone).utcoffset()
        assert moved is not None
        return moved // MINUTE

    minute = minutes_of(FIRST) - 30 * DAY_MINUTES
    found = [(minute, offset(minute))]
    while minute < minutes_of(LAST) + 3_000 * DAY_MINUTES:
        if offset(minute + DAY_MINUTES) != found[-1][1]:
            while offset(minute + 1) == found[-1][1]:
                minute += 1
            found.append((minute + 1, offset(minute + 1)))
        minute += DAY_MINUTES
    return found


def minutes_of(timestamp: datetime) -> int:
    return (timestamp - EPOCH) // MINUTE


def walk(text: str, after: datetime, zone_name: str) -> Iterator[datetime]:
    """Yield the slots after a timestamp. Checks every minute, except on days without slots and moves."""
    job = Manual(text)
    moved = changes(zone_name)
    first = minutes_of(after) + 1
    minute = first - 8 * 60
    index = max(place for place, (begin, _) in enumerate(moved) if begin <= minute)
    # The latest local time so far. A job that runs at a specific time ignores it when it comes again.
    shown = previous = minute + moved[index][1] - 1
    while minute < minutes_of(LAST) + 2_900 * DAY_MINUTES:
        if index + 1 < len(moved) and moved[index + 1][0] == minute:
            index += 1
        local = minute + moved[index][1]
        if job.is_frequent:
            runs = job.has(local)
        else:
            runs = local > shown and job.has(local)
            if local - previous > 1:
                runs = runs or any(job.has(skipped) for skipped in range(previous + 1, local))
        if runs and minute >= first:
            yield EPOCH + minute * MINUTE
        shown, previous = max(shown, local), local
        minute += 1
        left = DAY_MINUTES - 1 - local % DAY_MINUTES
        quiet = index + 1 == len(moved) or moved[index + 1][0] > minute + left
        if quiet and shown == local and not job.has_date(local // DAY_MINUTES):
            # To the end of this day.
            minute += left
            shown = previous = local + left


# --- Ten thousand at random ------------------------------------------------------------------------


def random_field(chance: random.Random, low: int, high: int, *, names: list[str] | None = None, first: int = 0) -> str:
    def one(number: int) -> str:
        named = names is not None and first <= number < first + len(names) and chance.random() < 0.5
        return names[number - first] if named and names else str(number)

    def part() -> str:
        kind = chance.choice(["number", "number", "range", "step", "star step"])
        begin, end = sorted((chance.randint(low, high), chance.randint(low, high)))
        if kind == "number":
            return one(begin)
        if kind == "star step":
            return f"*/{chance.randint(1, high)}"
        return f"{begin}-{end}" + (f"/{chance.randint(1, 7)}" if kind == "step" else "")

    return ",".join(part() for _ in range(chance.choice([1, 1, 1, 2, 3])))


def random_text(chance: random.Random) -> str:
    def maybe(share: float, field: str) -> str:
        return "*" if chance.random() < share else field

    return " ".join(
        [
            maybe(0.15, random_field(chance, 0, 59)),
            maybe(0.25, chance.choice([random_field(chance, 0, 23), str(chance.randint(0, 4))])),
            maybe(0.5, random_field(chance, 1, 31)),
            maybe(0.6, random_field(chance, 1, 12, names=MONTHS, first=1)),
            maybe(0.5, random_field(chance, 0, 7, names=WEEK_DAYS)),
        ]
    )


def random_moment(chance: random.Random, zone_name: str) -> datetime:
    """Draw a time in thirty years, or around a change of the clock."""
    times = [EPOCH + begin * MINUTE for begin, _ in changes(zone_name)[1:]]
    moved = [time for time in times if FIRST < time < LAST]
    if moved and chance.random() < 0.6:
        return chance.choice(moved) + timedelta(seconds=chance.randint(-30 * 3_600, 30 * 3_600))
    return FIRST + timedelta(seconds=chance.randint(0, int((LAST - FIRST).total_seconds())))


def test_random_texts_zones_and_instants_agree_with_the_manual(pytestconfig) -> None:
    chance = random.Random(pytestconfig.getoption("--seed"))
    wrong, found = [], 0
    for _ in range(pytestconfig.getoption("--cron-cases")):
        zone_name = chance.choice(ZONES)
        text, after = random_text(chance), random_moment(chance, zone_name)
        try:
            understood = cron.parse(text)
        except BadCronError:
            assert next(walk(text, FIRST, "UTC"), None) is None, text
            continue
        expected = next(walk(text, after, zone_name), None)
        slot = understood.next_after(after, ZoneInfo(zone_name))
        if expected is None:
            assert slot is None or slot > LAST
            continue
        found += 1
        if slot != expected:
            wrong.append((text, zone_name, after.isoformat(), slot, expected))
    assert wrong == []
    assert found > 0.9 * pytestconfig.getoption("--cron-cases")


# --- The days on which clocks are moved --------------------------------------------------------------


def slots(text: str, zone_name: str, begin: str, end: str) -> list[str]:
    """Return the local times, with their offsets, of the slots between two timestamps."""
    zone = ZoneInfo(zone_name)
    last, found = datetime.fromisoformat(end), []
    slot: datetime | None = datetime.fromisoformat(begin) - timedelta(seconds=1)
    while slot and (slot := cron.parse(text).next_after(slot, zone)) is not None and slot < last:
        found.append(slot.astimezone(zone).isoformat(timespec="minutes").split("T")[1])
    return found


@pytest.mark.parametrize(
    ("zone_name", "begin", "text", "expected"),
    [
        # Forward: 02:00 becomes 03:00.
        ("Europe/Paris", "2026-03-28T23:00Z", "30 2 * * *", ["03:00+02:00"]),
        ("Europe/Paris", "2026-03-28T23:00Z", "0,30 2,3 * * *", ["03:00+02:00", "03:30+02:00"]),
        ("Europe/Paris", "2026-03-28T23:00Z", "30 1-4 * * *",
         ["01:30+01:00", "03:00+02:00", "03:30+02:00", "04:30+02:00"]),
        ("Europe/Paris", "2026-03-28T23:00Z", "30 */2 * * *",
         ["00:30+01:00"] + [f"{h:02d}:30+02:00" for h in range(4, 24, 2)]),
        ("Europe/Paris", "2026-03-28T23:00Z", "*/30 2 * * *", []),
        # Back: 03:00 becomes 02:00.
        ("Europe/Paris", "2026-10-24T22:00Z", "30 2 * * *", ["02:30+02:00"]),
        ("Europe/Paris", "2026-10-24T22:00Z", "*/30 2 * * *",
         ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00"]),
        ("Europe/Paris", "2026-10-24T22:00Z", "0 3 * * *", ["03:00+01:00"]),
        ("America/New_York", "2026-03-08T05:00Z", "15 2 * * *", ["03:00-04:00"]),
        ("America/New_York", "2026-03-08T05:00Z", "15 2 * * 1", []),
        ("America/New_York", "2026-11-01T04:00Z", "15 1 * * *", ["01:15-04:00"]),
        ("America/New_York", "2026-11-01T04:00Z", "15 1-2 * * *", ["01:15-04:00", "02:15-05:00"]),
        # Half an hour: 02:00 becomes 02:30, and back.
        ("Australia/Lord_Howe", "2026-10-03T13:30Z", "15 2 * * *", ["02:30+11:00"]),
        ("Australia/Lord_Howe", "2026-10-03T13:30Z", "*/30 2,3 * * *", ["02:30+11:00", "03:00+11:00", "03:30+11:00"]),
        ("Australia/Lord_Howe", "2026-04-04T13:00Z", "45 1 * * *", ["01:45+11:00"]),
        ("Australia/Lord_Howe", "2026-04-04T13:00Z", "*/15 1 * * *",
         ["01:00+11:00", "01:15+11:00", "01:30+11:00", "01:45+11:00", "01:30+10:30", "01:45+10:30"]),
        # The 30th of December 2011 did not happen.
        ("Pacific/Apia", "2011-12-30T09:00Z", "0 8 30 12 *", ["00:00+14:00"]),
        ("Pacific/Apia", "2011-12-30T09:00Z", "0 */8 * * *", ["00:00+14:00", "08:00+14:00", "16:00+14:00"]),
        ("Pacific/Apia", "2011-12-30T09:00Z", "0 8 * * *", ["00:00+14:00", "08:00+14:00"]),
        ("Pacific/Apia", "2011-12-30T09:00Z", "0 8 * * 5", ["00:00+14:00"]),
    ],
)  # fmt: skip
def test_slots_of_days_on_which_the_clock_is_moved(zone_name, begin, text, expected) -> None:
    end = datetime.fromisoformat(begin) + timedelta(hours=25)
    local_end = datetime.combine(end.astimezone(ZoneInfo(zone_name)).date(), datetime.min.time(), ZoneInfo(zone_name))
    assert slots(text, zone_name, begin, local_end.isoformat()) == expected


# --- Texts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "after", "slot"),
    [
        ("0 3 * * *", "2026-11-22T03:00:00", "2026-11-23T03:00:00"),
        ("0 8 * * 1", "2026-11-22T15:00:00", "2026-11-23T08:00:00"),
        ("@weekly", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
        ("0 0 * * sun", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
        ("0 0 * * 7", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
        ("0 0 * * 0-6", "2026-11-28T00:00:00", "2026-11-29T00:00:00"),
        ("*/5 8-17 * * 1", "2026-11-24T12:03:00", "2026-11-30T08:00:00"),
        ("30 2 29 2 *", "2026-11-22T00:00:00", "2028-02-29T02:30:00"),
        ("0 8 * 1 *", "2026-11-22T00:00:00", "2027-01-01T08:00:00"),
        ("0 0 13 * fri", "2026-11-22T00:00:00", "2026-11-27T00:00:00"),
        ("0 0 */13 * fri", "2026-11-22T00:00:00", "2026-11-27T00:00:00"),
        ("0 0 */13 * mon", "2026-11-22T00:00:00", "2026-12-14T00:00:00"),
        ("0 0 L * *", "2026-11-22T00:00:00", "2026-11-30T00:00:00"),
        ("3-3/2 * * * *", "2026-11-22T00:04:00", "2026-11-22T01:03:00"),
        ("  0\t3 * *  * ", "2026-11-22T03:00:00.5", "2026-11-23T03:00:00"),
    ],
)
def test_the_next_slot(text, after, slot) -> None:
    timestamp = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert cron.parse(text).next_after(timestamp, UTC) == datetime.fromisoformat(slot).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@often", "'@often', must be one of: @yearly, .*@weekly"),
        ("* * * * * *", "6 fields, must have five: minute"),
        ("* *", "2 fields"),
        ("*", "1 field,"),
        ("", "0 fields"),
        ("61 * * * *", "the minute is '61', must be 0 to 59"),
        ("0 24 * * *", "the hour is '24', must be 0 to 23"),
        ("0 0 0 * *", "the day of month is '0', must be 1 to 31"),
        ("0 0 * 13 *", "the month is '13', must be 1 to 12"),
        ("0 0 * * 8", "the day of week is '8', must be 0 to 7"),
        ("0 0 * * fri-sun", "the day of week is 'FRI-SUN'"),
        ("*/0 * * * *", "the minute is '\\*/0'"),
        ("1-5-9 * * * *", "the minute"),
        ("0 0 30 2 *", "never comes: there is no day '30' in month '2'"),
        ("0 0 31 2,4,6,9,11 */2", "never comes"),
        ("9" * 5_000 + " * * * *", "5,008 characters, at most 200"),
    ],
)
def test_a_text_that_is_not_cron_is_refused_with_the_reason(text, words) -> None:
    with pytest.raises(BadCronError, match=words):
        cron.parse(text)


def test_a_text_is_explained_in_words() -> None:
    assert cron.parse("*/5 8-17 * * 1").words == "Every fifth minute from 08:00 through 17:59 on Monday"
