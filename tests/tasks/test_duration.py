from datetime import timedelta

import pytest

from apps.tasks.duration import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0.00 s"),
        (0, "0.00 s"),
        (0.283, "0.28 s"),
        (9.99, "9.99 s"),
        (9.996, "10 s"),
        (42.4, "42 s"),
        (59.7, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.6, "1 h 0 min"),
        (7_800, "2 h 10 min"),
        (86_399.9, "1 d 0 h"),
        (4 * 86_400 + 3 * 3_600 + 59, "4 d 3 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words
