"""Reasons for figures that a text does not have."""

import pytest

from apps.documents.models import Analysis

#: A figure that is null, and a part of its reason.
CASES = [
    ({"language": ""}, ["No readability: the language is unknown", "No share of dialogue: the language is unknown"]),
    (
        {"language": "eo"},
        ["No readability: it is not measured in this language (eo)", "not measured in this language (eo)"],
    ),
    ({"language": "de", "dialogue_share": 0.0}, ["or was processed before it was measured"]),
    ({"language": "en", "words": 20}, ["it takes at least 100 words", "there are no words"]),
    ({"language": "en", "reading_ease": 60.0, "dialogue_share": 0.0}, []),
    ({"language": "en", "reading_ease": 60.0}, ["there are no words"]),
    ({"language": "th"}, ["(th)", "(th)", "No keywords and repeated phrases"]),
    ({"language": "en", "keywords": None}, ["Process it again to see how easy", "Process it again to see how much"]),
]


@pytest.mark.parametrize(("figures", "parts"), CASES)
def test_each_missing_figure_has_its_reason(figures: dict[str, object], parts: list[str]) -> None:
    notes = Analysis(**{"words": 1_000, "sentences": 50, "keywords": [], **figures}).notes

    assert len(notes) == len(parts)
    for note, part in zip(notes, parts, strict=True):
        assert part in note
