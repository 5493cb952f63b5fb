"""Cron texts and slots."""

from datetime import UTC, datetime

import pytest

from workers import cron


@pytest.mark.parametrize(
    ("text", "after", "slot"),
    [
        ("0 3 * * *", "2026-11-22T03:00:00", "2026-11-23T03:00:00"),
        ("0 8 * * 1", "2026-11-22T15:00:00", "2026-11-23T08:00:00"),
        ("@weekly", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
        ("0 0 * * sun", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
        ("0 0 * * 7", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
        ("*/5 8-17 * * 1", "2026-11-24T12:03:00", "2026-11-30T08:00:00"),
        ("30 2 29 2 *", "2026-11-22T00:00:00", "2028-02-29T02:30:00"),
        ("0 8 * 1 *", "2026-11-22T00:00:00", "2027-01-01T08:00:00"),
    ],
)
def test_the_next_slot(text, after, slot) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert cron.next_slot(text, moment) == datetime.fromisoformat(slot).replace(tzinfo=UTC)


def test_the_last_slot_is_the_one_that_has_come() -> None:
    at = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert cron.last_slot("0 8 * * 1", at) == at
    assert cron.last_slot("0 8 * * 1", datetime(2026, 11, 29, 23, tzinfo=UTC)) == at


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@often", "@weekly"),
        ("* * * * * *", "6 fields, must have five"),
        ("* *", "2 fields"),
        ("61 * * * *", "61"),
        ("0 0 30 2 *", "not a cron text"),
    ],
)
def test_what_is_no_cron_text_is_refused_with_the_reason(text, words) -> None:
    with pytest.raises(cron.BadCronError, match=words.replace("*", r"\*")):
        cron.fields_of(text)
