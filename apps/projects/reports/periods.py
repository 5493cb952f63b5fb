"""The growth of a project, by week, month or year."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

#: Largest numbers of weeks and of months in a report. Beyond the first it shows months, beyond the second years.
MAX_WEEKS, MAX_MONTHS = 26, 48


@dataclass(frozen=True, kw_only=True)
class Period:
    """A week, a month or a year, with the words and documents that came into the project in it."""

    start: date
    words: int
    documents: int


def periods(weeks: Mapping[date, tuple[int, int]]) -> tuple[str, list[Period]]:
    """Return the unit of the periods and the periods, from the first to the last that has a document.

    Parameters:
      weeks: Words and documents of each week that has any, by its Monday.
    """
    if not weeks:
        return "week", []
    first, last = min(weeks), max(weeks)
    unit = "week"
    if (last - first).days // 7 >= MAX_WEEKS:
        months = (last.year - first.year) * 12 + last.month - first.month
        unit = "month" if months < MAX_MONTHS else "year"
    sums = dict.fromkeys(_starts(first, last, unit=unit), (0, 0))
    for monday, (words, documents) in weeks.items():
        start = _start(monday, unit=unit)
        sums[start] = (sums[start][0] + words, sums[start][1] + documents)
    return unit, [Period(start=start, words=words, documents=number) for start, (words, number) in sums.items()]


def _start(day: date, *, unit: str) -> date:
    """Return the first day of the period that includes the day. Of weeks, the day must be a Monday."""
    return {"week": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[unit]


def _starts(first: date, last: date, *, unit: str) -> Iterator[date]:
    start = _start(first, unit=unit)
    while start <= last:
        yield start
        # Beyond the end of this period, and never beyond the next one.
        start = _start(start + timedelta(days={"week": 7, "month": 31, "year": 366}[unit]), unit=unit)
