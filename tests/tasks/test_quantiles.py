"""Quantiles of waits and runs, which are kept as numbers of times in buckets and as a total."""

import bisect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.tasks.figures.buckets import BOUNDS_SECONDS, BUCKETS, quantile


@pytest.mark.parametrize(
    ("times", "part", "seconds"),
    [
        ([9.1], 0.5, 9.1),  # One time is known.
        ([9.1], 0.95, 9.1),
        ([9.1, 0.2], 0.95, 9.2),  # At most what the other leaves of the total.
        ([9.1] * 10_000, 0.5, 10.0),
        ([0.003] * 10, 0.5, 0.005),
        ([0.6] * 50 + [4.0] * 50, 0.95, 5.0),
        ([20_000.0], 0.5, 20_000.0),
        ([0.0], 0.5, 0.0),
        ([], 0.5, None),
    ],
)
def test_a_part_of_the_times_lies_within_its_quantile(times: list[float], part: float, seconds: float | None) -> None:
    counts = [0] * BUCKETS
    for time in times:
        counts[bisect.bisect_right(BOUNDS_SECONDS, time)] += 1
    found = quantile(counts, part, total_seconds=sum(times))
    assert found == (None if seconds is None else pytest.approx(seconds))


@given(st.lists(st.floats(0, 50_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_no_quantile_is_less_than_the_times_that_it_is_of(times: list[float], part: float) -> None:
    counts = [0] * BUCKETS
    for time in times:
        counts[bisect.bisect_right(BOUNDS_SECONDS, time)] += 1
    found = quantile(counts, part, total_seconds=sum(times))
    rank = max(1, math.ceil(len(times) * part))
    assert found is not None
    assert found >= sorted(times)[rank - 1] - 1e-6
    bound = quantile(counts, part)
    assert bound is not None
    # Without the total, times in the last bucket count as its lower bound.
    assert found <= bound or max(times) >= BOUNDS_SECONDS[-1]


def test_counts_of_an_odd_row_have_a_quantile_or_none() -> None:
    assert quantile([0] * BUCKETS, 0.5, total_seconds=3.0) is None
    assert quantile([0, 2] + [0] * (BUCKETS - 2), 0.5, total_seconds=0.0) == BOUNDS_SECONDS[0]
