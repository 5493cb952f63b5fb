"""Spoken words. In the texts below they stand in square brackets, which are removed."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import dialogue, words

CASES = [
    # Curly, straight, British.
    "“[I see],” said he. “[You don\u2019t.]” He left.",
    '"[I see]," said he. "[You don\'t.]" He left.',
    "\u2018[I don\u2019t know the boys\u2019 house],\u2019 he said. \u2018[Go!]\u2019 The boys\u2019 toys fell.",
    "'[I don't know the boys' house],' he said. '[Go!]' The boys' toys lay there. 'Tis late.",
    "\"[He said 'No' to me],\" said she.",
    "“[He said \u2018No\u2019 to me],” said she.",
    # Apostrophes and inches are no quotation marks.
    "It was the boys' house, an' 'twas late. Rock 'n' roll. The dogs' bones.",
    'The board was 6" long and 4" wide.',
    # A quotation without a closing mark ends with its paragraph.
    '"[I see, said he.]\n\nHe left.',
    "“[I see, said he.]\n\nHe left. “[Yes.]” She too.",
    # Each paragraph of a long speech opens it anew.
    "“[It is long.]\n\n“[It goes on.]\n\n“[It ends.]” He left.",
    '"[It is long.]\n\n"[It ends.]" He left.',
    "\u2018[No.]\u2019 He sat. \u2018[It is long.]\n\n\u2018[It ends.]\u2019 He left.",
    "“[It is long,\n“and goes on,\nline by line.]” He left.",
    "— a list\n— of things",
]
#: Texts in each language that is measured. Dialogue in others has no figure.
IN_LANGUAGES = {"en": CASES} | json.loads((Path(__file__).parent / "dialogue.json").read_text())
MARKED = [(language, marked) for language, texts in IN_LANGUAGES.items() for marked in texts]


def test_each_language_that_is_measured_has_texts_whose_share_is_known() -> None:
    assert {*IN_LANGUAGES} == dialogue.LANGUAGES


@pytest.mark.parametrize(("language", "marked"), MARKED)
def test_spoken_words_are_told_from_the_others(language: str, marked: str) -> None:
    text = marked.replace("[", "").replace("]", "")
    expected = sum(words.count(piece.split("]")[0]) for piece in marked.split("[")[1:])
    assert dialogue.spoken_words(text, style=dialogue.style(text, language=language)) == expected


def test_only_words_between_the_offsets_count() -> None:
    text = "“Yes.” No. “Yes, yes.” No."
    assert dialogue.spoken_words(text, 6, 22, style=dialogue.style(text)) == 2


def test_single_marks_in_a_text_with_double_ones_are_no_speech() -> None:
    text = '"Yes," said he. "No." "Well." The \'best\' of it.'
    assert dialogue.style(text).single == ""


@given(st.text(st.sampled_from("aB .,!?\"'“”\u2018\u2019«»„—\u2013-\n「」 "), max_size=300))
def test_no_punctuation_makes_more_spoken_words_than_words(text: str) -> None:
    spoken = dialogue.spoken_words(text, style=dialogue.style(text, language="ru"))
    # A mark may stand in the middle of a word: a'b.
    assert 0 <= spoken <= words.count(text.replace("'", " ").replace("\u2019", " ").replace("-", " "))


@pytest.mark.parametrize(
    "piece", [" 'a", "'a", " \u2018a", '"a ', "“a ", "—a\n", "— a, ", "\n ", "'a\n", "— A, — b.\n", "—A —", "» a"]
)
def test_twice_the_text_takes_no_four_times_as_long(piece: str) -> None:
    def seconds(number: int) -> float:
        text = piece * number
        started = time.process_time()
        dialogue.spoken_words(text, style=dialogue.style(text, language="ru"))
        return time.process_time() - started

    # Were it quadratic, 16 times the text would take 256 times as long.
    assert seconds(32_000) < 80 * max(seconds(2_000), 0.002)
