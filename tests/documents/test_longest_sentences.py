from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis.longest_sentences import MAX_CHARACTERS, Longest, Sentence, shown


def longest(*sentences: str, count: int = 2) -> list[tuple[int, str]]:
    found = Longest(count)
    assert list(found.watch(sentences)) == list(sentences)
    return [(sentence.words, sentence.text) for sentence in found.found()]


def test_the_longest_sentences_come_first() -> None:
    assert longest("One.", "One two three.", "One two.", "1 2 3 4.") == [(4, "1 2 3 4."), (3, "One two three.")]


def test_of_equals_the_first_are_kept() -> None:
    assert longest("A b.", "C d.", "E f.") == [(2, "A b."), (2, "C d.")]


def test_the_length_is_in_words_not_in_characters() -> None:
    assert longest("Incomprehensibilities.", "I a m.", count=1) == [(3, "I a m.")]


def test_the_longest_of_parts_are_the_longest_of_the_whole() -> None:
    whole = Longest(1)
    whole.add([Sentence(words=3, text="a b c")])
    whole.add([Sentence(words=5, text="a b c d e"), Sentence(words=1, text="a")])
    assert [sentence.words for sentence in whole.found()] == [5]


def test_a_sentence_is_shown_in_one_line_without_control_characters() -> None:
    assert shown(" It\nwas\x00 \ud800late. ") == "It was late."


def test_a_long_sentence_is_cut_at_a_word() -> None:
    text = shown("word, " * 1_000)
    assert text.endswith("word…")
    assert len(text) <= MAX_CHARACTERS


@given(st.text(max_size=2_000))
def test_any_text_can_be_shown_and_stored(text: str) -> None:
    line = shown(text)
    assert len(line) <= MAX_CHARACTERS
    assert line.isprintable()
    line.encode()
