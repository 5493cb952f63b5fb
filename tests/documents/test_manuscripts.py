"""Small manuscripts in many languages, encodings and formats, and the right values of each."""

import json
from pathlib import Path
from typing import Any

import pytest

from apps.documents import readers
from apps.documents.analysis import findings, newlines

FOLDER = Path(__file__).parent / "manuscripts"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())


def test_every_manuscript_has_right_values() -> None:
    assert {path.name for path in FOLDER.iterdir()} - {"README.md", "expected.json"} == {*EXPECTED}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_manuscript_has_its_right_values(name: str) -> None:
    data, expected = (FOLDER / name).read_bytes(), dict(EXPECTED[name])
    if "refusal" in expected:
        with pytest.raises(readers.UnreadableTextError, match=expected["refusal"]):
            readers.read(data, filename=name)
        return
    text = readers.read(data, filename=name)
    found = findings.analyse(text, words_per_minute=230)
    if "text" in expected:
        assert newlines.normalised(text) == expected.pop("text")
    assert all(left_out not in text for left_out in expected.pop("without", []))
    assert text.startswith(expected.pop("begins", ""))
    assert len(found.chapters) >= expected.pop("least_chapters", 1)
    assert (found.dialogue_share or 0) >= expected.pop("least_dialogue", 0)
    values = {
        "chapters": [chapter.title for chapter in found.chapters],
        "number_of_chapters": len(found.chapters),
        "sentences": found.sentences,
        "words": found.words,
    }
    assert {key: values[key] for key in expected} == expected
